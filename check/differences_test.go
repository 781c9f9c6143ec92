package check_test

import (
	"bytes"
	"encoding/binary"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"qedit/check"
)

var update = flag.Bool("update", false, "write docs/check.md")

// difference is where what we say of an image and what qemu-img check says differ,
// and may. The table is all that the tests with damage at random excuse, and
// docs/check.md is made from it.
type difference struct {
	name   string
	where  string // in which images
	qemu   string // what qemu-img check says
	ours   string // what we say
	reason string
	is     func(v *verdict, r *check.Result, image []byte) bool // an image is such a one
	test   func(t *testing.T)                                   // shows both
}

// differences is filled in init, as its tests look into it.
var differences []difference

func init() {
	differences = []difference{
		{"outside", "What the image needs beside itself is missing or in use: backing file, external data file, key, lock.",
			"does not open the image", "all findings, and the figures that qemu-img check would give with it",
			"None of it is needed to check the metadata of this image.",
			func(*verdict, *check.Result, []byte) bool { return false }, outside},
		{"luks-key", "Key material of a LUKS header is damaged or cut off.",
			`does not open the image: "Invalid password, cannot unlock any keyslot"`, "all findings, and the figures that qemu-img check would give with the key",
			"Whether a key slot is damaged is not known without the password, which is not asked for.",
			func(v *verdict, _ *check.Result, image []byte) bool {
				return binary.BigEndian.Uint32(image[32:]) == 2 && strings.Contains(v.message, "Invalid password, cannot unlock any keyslot")
			}, luksKey},
		{"flag-alone", "An L1 entry has a flag and no offset.",
			"takes the header for an L2 table and what is in it for entries, and counts errors", "the same figures; the finding is a warning, and there may be no error",
			"The guest and every writer take the entry for one without a table; the errors are none.",
			func(_ *verdict, r *check.Result, _ []byte) bool {
				return slices.ContainsFunc(r.Findings, func(f check.Finding) bool { return f.Kind.ID == "l1-flag-alone" })
			}, flagAlone},
		{"gives-up", "The snapshot table or the table of a bitmap cannot be read, or goes past what a file can have.",
			"ends with 1 and gives no figures", "exit code 1 beside the figures that it would give up to there, and all findings",
			"There is nothing to compare with but the exit code.",
			func(v *verdict, _ *check.Result, _ []byte) bool {
				return v.opened() && v.figures == nil && (strings.Contains(v.message, "Check failed") || strings.Contains(strings.ToLower(v.message), "snapshot table"))
			}, givesUp},
	}
}

// excused reports whether an image is one of a difference.
func excused(name string, v *verdict, r *check.Result, image []byte) bool {
	for i := range differences {
		if differences[i].name == name {
			return differences[i].is(v, r, image)
		}
	}
	panic("no difference is called " + name)
}

func TestDifferences(t *testing.T) {
	needQEMU(t)
	for _, d := range differences {
		t.Run(d.name, d.test)
	}
}

const differencesText = `# How ` + "`qedit check`" + ` and ` + "`qemu-img check`" + ` compare

The figures that ` + "`qedit check --output json`" + ` has under ` + "`qemu`" + ` (corruptions, leaks, check-errors, image-end-offset, and total, allocated,
fragmented and compressed clusters) are counted by the rules of QEMU 7.2, whatever the findings beside them say. On each of more than 2,000
images that QEMU's tools made and that were damaged at random they are compared with those of ` + "`qemu-img check`" + `, in every run of the tests;
` + "`QEDIT_SEED` and `QEDIT_SAMPLE`" + ` (images of each base) ask for others. Nothing but this may differ; each has its test, TestDifferences/NAME.

Made from the table in check/differences_test.go; do not edit.

| name | images | qemu-img check | qedit check | why |
| --- | --- | --- | --- | --- |
`

// docs/check.md says what may differ, and nothing else.
func TestDifferencesDocument(t *testing.T) {
	want := bytes.NewBufferString(differencesText)
	for _, d := range differences {
		fmt.Fprintf(want, "| `%s` | %s | %s | %s | %s |\n", d.name, d.where, d.qemu, d.ours, d.reason)
	}
	const path = "../docs/check.md"
	if *update {
		if err := os.WriteFile(path, want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want.Bytes()) {
		t.Errorf("%s is not what the table says, %v; go test ./check -run TestDifferencesDocument -update writes it", path, err)
	}
}

// made returns an image of a recipe, made and damaged.
func made(t *testing.T, rec recipe, size int, do func(image []byte) []byte, commands ...string) (*bench, *verdict, *check.Result) {
	t.Helper()
	b := newBench(t, &base{recipe: rec, name: rec.name, dir: t.TempDir(), size: size})
	b.create(t)
	args := append([]string{"qemu-io"}, secret...)
	for _, c := range commands {
		args = append(args, "-c", c)
	}
	b.must(t, append(args, b.target()...)...)
	image, err := os.ReadFile(b.path())
	if err != nil {
		t.Fatal(err)
	}
	image = do(image)
	if err := b.put(image); err != nil {
		t.Fatal(err)
	}
	v, err := b.qemuCheck()
	if err != nil {
		t.Fatal(err)
	}
	return b, v, mustRun(t, image, rec.name)
}

func same(image []byte) []byte { return image }

func outside(t *testing.T) {
	for _, rec := range []recipe{{name: "backing file", cluster: 4 << 10, backing: true}, {name: "data file", cluster: 4 << 10, data: true}, {name: "key", cluster: 4 << 10, options: luksOptions, luks: true}} {
		t.Run(rec.name, func(t *testing.T) {
			b, v, r := made(t, rec, 1<<20, same, "write 0 64k")
			if diff := v.differs(r, b.holds); diff != "" {
				t.Fatal(diff)
			}
			for _, name := range []string{backingName, dataName} {
				if err := os.RemoveAll(b.dir + "/" + name); err != nil {
					t.Fatal(err)
				}
			}
			if out, err := b.run("qemu-img", "check", b.file); err == nil || !strings.Contains(out, "Could not open") && !strings.Contains(out, "encrypt.key-secret") {
				t.Errorf("qemu-img check runs: %s", out)
			}
			if r := mustRun(t, b.holds, rec.name); r.QEMU.Refusal != "" || ours(&r.QEMU) != *v.figures {
				t.Errorf("%+v, want those that it gave before", r.QEMU)
			}
		})
	}
}

func luksKey(t *testing.T) {
	b, v, r := made(t, recipe{name: "luks", cluster: 4 << 10, options: luksOptions, luks: true}, 1<<20, func(image []byte) []byte {
		return image[:0x10000] // within the key material of the first slot
	}, "write 0 4k")
	if v.opened() || r.QEMU.Refusal != "" || !excused("luks-key", v, r, b.holds) {
		t.Errorf("qemu-img: %s; ours: %+v", v.message, r.QEMU)
	}
}

func flagAlone(t *testing.T) {
	b, v, r := made(t, recipe{name: "flag", cluster: 4 << 10}, 8<<20, func(image []byte) []byte {
		set(image, at(image, 40)+8, 1<<63)
		return image
	}, "write 0 64k")
	if diff := v.differs(r, b.holds); diff != "" || v.exit != 2 || r.Count(check.Error) > 0 || !excused("flag-alone", v, r, b.holds) {
		t.Errorf("%s; exit %d, %d errors", diff, v.exit, r.Count(check.Error))
	}
}

func givesUp(t *testing.T) {
	b, v, r := made(t, recipe{name: "snapshots", cluster: 4 << 10}, 1<<20, func(image []byte) []byte {
		binary.BigEndian.PutUint32(image[60:], 70000)
		return image
	}, "write 0 64k")
	if diff := v.differs(r, b.holds); diff != "" || v.figures != nil || v.exit != 1 || r.QEMU.ExitCode() != 1 || r.QEMU.AllocatedClusters != 16 {
		t.Errorf("%s; %+v, ours %+v", diff, v, r.QEMU)
	}
}
