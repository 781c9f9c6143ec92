package check_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"strings"
	"testing"

	"qedit/check"
)

// corners are images in which qemu-img check does not do what it does elsewhere,
// and that random damage meets rarely.
var corners = []struct {
	name   string
	recipe recipe
	size   int
	make   [][]string // commands in the folder of the image, disk.qcow2
	damage func(t *testing.T, image []byte)
}{
	{
		name: "L1 table of a snapshot past what a file can have", recipe: recipe{cluster: 64 << 10}, size: 4 << 20,
		make:   [][]string{{"qemu-img", "snapshot", "-c", "s", "disk.qcow2"}},
		damage: func(t *testing.T, image []byte) { set(image, at(image, 64), 0x80000000000f0000) },
	},
	{
		name: "L1 table of a snapshot where offsets are negative", recipe: recipe{cluster: 64 << 10}, size: 4 << 20,
		make:   [][]string{{"qemu-img", "snapshot", "-c", "s", "disk.qcow2"}},
		damage: func(t *testing.T, image []byte) { set(image, at(image, 64), 0xc000000000000000) },
	},
	{
		name: "broken table of a bitmap in use", recipe: recipe{cluster: 64 << 10}, size: 4 << 20,
		make: [][]string{{"qemu-img", "bitmap", "--add", "disk.qcow2", "b"}},
		damage: func(t *testing.T, image []byte) {
			directory := at(image, extension(t, image, 0x23852875)+24)
			image[directory+15] |= 1 // in_use
			set(image, at(image, directory), 0x200)
		},
	},
	{
		name: "table of a bitmap in use past what a file can have", recipe: recipe{cluster: 64 << 10}, size: 4 << 20,
		make: [][]string{{"qemu-img", "bitmap", "--add", "disk.qcow2", "b"}},
		damage: func(t *testing.T, image []byte) {
			directory := at(image, extension(t, image, 0x23852875)+24)
			image[directory+15] |= 1 // in_use
			set(image, directory, 0x7fffffffffff0000)
		},
	},
	{
		name: "two L2 tables of large clusters at one L1 index", recipe: recipe{cluster: 2 << 20}, size: 600 << 30,
		make: [][]string{
			{"qemu-io", "-f", "qcow2", "-c", "write 0 4M", "-c", "write 64M 4M", "-c", "write 512G 4M", "-c", "write 580G 2M", "disk.qcow2"},
			{"qemu-img", "snapshot", "-c", "s", "disk.qcow2"},
			{"qemu-io", "-f", "qcow2", "-c", "write 2M 2M", "-c", "write 513G 2M", "disk.qcow2"},
		},
		damage: func(t *testing.T, image []byte) {
			snapshot, active := at(image, at(image, 64)), at(image, 40)
			set(image, snapshot, uint64(at(image, active+8))|1<<63) // the active disk's second table is first there
		},
	},
}

// at returns a number of an image that is an offset in it.
func at(image []byte, where int) int {
	return int(binary.BigEndian.Uint64(image[where:]) & 0x00fffffffffffe00)
}

func set(image []byte, where int, v uint64) { binary.BigEndian.PutUint64(image[where:], v) }

// extension returns where a header extension starts.
func extension(t *testing.T, image []byte, kind uint32) int {
	t.Helper()
	for at := int(binary.BigEndian.Uint32(image[100:])); ; {
		switch binary.BigEndian.Uint32(image[at:]) {
		case kind:
			return at
		case 0:
			t.Fatalf("no extension %#x", kind)
		}
		at += 8 + int(binary.BigEndian.Uint32(image[at+4:])+7)&^7
	}
}

func TestQEMUCorners(t *testing.T) {
	needQEMU(t)
	for _, c := range corners {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, &base{recipe: c.recipe, name: c.name, dir: t.TempDir(), size: c.size})
			b.create(t)
			for _, command := range c.make {
				b.must(t, command...)
			}
			image, err := os.ReadFile(b.path())
			if err != nil {
				t.Fatal(err)
			}
			c.damage(t, image)
			if err := b.put(image); err != nil {
				t.Fatal(err)
			}
			v, err := b.qemuCheck()
			if err != nil {
				t.Fatal(err)
			}
			if diff := v.differs(mustRun(t, image, c.name), image); diff != "" {
				t.Errorf("%s\n%s", diff, short(v.message))
			}
		})
	}
}

// What QEMU refuses of a LUKS header that can be read without the key.
func TestQEMULUKSHeader(t *testing.T) {
	needQEMU(t)
	b := newBench(t, &base{recipe: recipe{name: "luks", cluster: 512, options: luksOptions, luks: true}, dir: t.TempDir(), size: 1 << 20})
	b.create(t)
	whole, err := os.ReadFile(b.path())
	if err != nil {
		t.Fatal(err)
	}
	pointer := extension(t, whole, 0x0537be77) + 8
	head := at(whole, pointer)
	slot, place, firstKey := head+208, head+208+40, uint64(8*512+64*4000)
	for _, c := range []struct {
		name   string
		damage func(image []byte)
	}{
		{"none", func([]byte) {}},
		{"pointer to another cluster", func(image []byte) { set(image, pointer, 0xa00) }},
		{"pointer past the end of the file", func(image []byte) { set(image, pointer, 1<<40) }},
		{"no room for its first bytes", func(image []byte) { set(image, pointer+8, 591) }},
		{"no room for its first key", func(image []byte) { set(image, pointer+8, firstKey-1) }},
		{"room for its first key", func(image []byte) { set(image, pointer+8, firstKey) }},
		{"hidden by a backing file name", func(image []byte) { set(image, 8, 3) }},
		{"version", func(image []byte) { image[head+7] = 2 }},
		{"data over it", func(image []byte) { clear(image[head+104 : head+108]) }},
		{"data over its keys", func(image []byte) { binary.BigEndian.PutUint32(image[head+104:], 8) }},
		{"iterations", func(image []byte) { clear(image[head+164 : head+168]) }},
		{"state of a slot", func(image []byte) { image[slot+48]++ }},
		{"iterations of a slot", func(image []byte) { clear(image[slot+4 : slot+8]) }},
		{"iterations of a slot that is not in use", func(image []byte) { clear(image[slot+52 : slot+56]) }},
		{"stripes of a slot", func(image []byte) { image[place+48+4]++ }},
		{"a slot over the header", func(image []byte) { binary.BigEndian.PutUint32(image[place:], 7) }},
		{"a slot over another", func(image []byte) { copy(image[place+48:place+52], image[place:]) }},
	} {
		image := bytes.Clone(whole)
		c.damage(image)
		if err := b.put(image); err != nil {
			t.Fatal(err)
		}
		v, err := b.qemuCheck()
		if err != nil {
			t.Fatal(err)
		}
		r := mustRun(t, image, c.name)
		if diff := v.differs(r, image); diff != "" || !strings.Contains(v.message, r.QEMU.Refusal) {
			t.Errorf("%s: %s; we say %q\n%s", c.name, diff, r.QEMU.Refusal, short(v.message))
		}
		if r.QEMU.Refusal != "" && r.Count(check.Error) == 0 {
			t.Errorf("%s: no error is found", c.name)
		}
	}
}
