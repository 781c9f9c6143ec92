package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"qedit/header"
	"qedit/internal/qemutest"
)

// needQEMU skips a test where QEMU's tools are missing. CI sets the variable:
// there they may not be.
func needQEMU(t *testing.T) {
	t.Helper()
	qemutest.Need(t)
}

func needTool(t *testing.T, tool string) {
	t.Helper()
	qemutest.Need(t, tool)
}

// run runs a command in a folder and fails the test if it fails.
func run(t *testing.T, dir string, args ...string) string {
	t.Helper()
	out, err := try(dir, args...)
	if err != nil {
		t.Fatalf("%q: %v\n%s", args, err, out)
	}
	return out
}

func try(dir string, args ...string) (string, error) {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// kinds are the options of qemu-img create for every kind of image it makes.
func kinds() map[string][]string {
	all := map[string][]string{
		"plain":           {},
		"v2":              {"-o", "compat=0.10"},
		"zstd":            {"-o", "compression_type=zstd"},
		"extended L2":     {"-o", "extended_l2=on"},
		"lazy":            {"-o", "lazy_refcounts=on"},
		"data file":       {"-o", "data_file=d.raw"},
		"raw data file":   {"-o", "data_file=e.raw,data_file_raw=on"},
		"metadata":        {"-o", "preallocation=metadata"},
		"v2 aes":          {"--object", "secret,id=s,data=x", "-o", "compat=0.10,encrypt.format=aes,encrypt.key-secret=s"},
		"luks":            {"--object", "secret,id=s,data=x", "-o", "encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10"},
		"backing":         {"-b", "base.qcow2", "-F", "qcow2"},
		"v2 backing":      {"-b", "base.qcow2", "-F", "qcow2", "-o", "compat=0.10"},
		"long backing":    {"-u", "-b", strings.Repeat("n", 1023), "-F", "raw"},
		"backing, 512":    {"-b", "base.qcow2", "-F", "qcow2", "-o", "cluster_size=512"},
		"all at once":     {"-b", "base.qcow2", "-F", "qcow2", "-o", "extended_l2=on,compression_type=zstd,lazy_refcounts=on,cluster_size=16k"},
		"v2, 2M clusters": {"-o", "compat=0.10,cluster_size=2M"},
	}
	for bits := 9; bits <= 21; bits++ {
		all[fmt.Sprintf("cluster_bits %d", bits)] = []string{"-o", fmt.Sprintf("cluster_size=%d", 1<<bits)}
	}
	for order := range 7 {
		all[fmt.Sprintf("refcount_order %d", order)] = []string{"-o", fmt.Sprintf("refcount_bits=%d", 1<<order)}
	}
	return all
}

func create(t *testing.T, dir, name string, options []string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	run(t, dir, append(append([]string{"qemu-img", "create", "-q", "-f", "qcow2"}, options...), path, "8M")...)
	return path
}

func firstCluster(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	h, _ := header.Decode(data[:min(len(data), 512)])
	return data[:min(len(data), 1<<h.ClusterBits)]
}

// Headers of every kind of image read and write byte for byte, without a
// violation.
func TestQEMURoundTrip(t *testing.T) {
	needQEMU(t)
	dir := t.TempDir()
	create(t, dir, "base.qcow2", nil)
	check := func(t *testing.T, path string) {
		t.Helper()
		buf := firstCluster(t, path)
		if _, vs := header.Decode(buf); len(vs) > 0 {
			t.Error(vs)
		}
		h, rest, err := header.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		if len(buf)-len(rest) != h.Sizeof() {
			t.Errorf("Sizeof is %d, %d bytes were read", h.Sizeof(), len(buf)-len(rest))
		}
		out := make([]byte, h.Sizeof())
		if _, err := h.Write(out); err != nil || !bytes.Equal(out, buf[:len(out)]) {
			t.Error("written otherwise", err)
		}
		if !bytes.Equal(rest, make([]byte, len(rest))) {
			t.Error("QEMU keeps something behind the header area")
		}
	}
	for name, options := range kinds() {
		t.Run(name, func(t *testing.T) { check(t, create(t, dir, "disk.qcow2", options)) })
	}
	t.Run("snapshots and bitmaps", func(t *testing.T) {
		path := create(t, dir, "disk.qcow2", nil)
		for i := range 3 {
			run(t, dir, "qemu-img", "snapshot", "-c", fmt.Sprint("s", i), path)
			run(t, dir, "qemu-img", "bitmap", "--add", path, fmt.Sprint("b", i))
		}
		check(t, path)
	})
	t.Run("dirty", func(t *testing.T) {
		path := create(t, dir, "disk.qcow2", []string{"-o", "lazy_refcounts=on"})
		out, err := try(dir, "qemu-io", "-c", "write 0 64k", "-c", "abort", path)
		if err == nil {
			t.Fatalf("qemu-io did not abort: %s", out)
		}
		check(t, path)
		if h, _ := header.Decode(firstCluster(t, path)); !h.Dirty() {
			t.Error("not dirty")
		}
	})
}

// The whole way with the command: the flag is cleared, and QEMU agrees.
func TestQEMUAgreesOnCorrupt(t *testing.T) {
	needQEMU(t)
	qedit, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path := create(t, dir, "disk.qcow2", nil)
	run(t, dir, qedit, "set", path, "corrupt=on")
	if out, err := try(dir, "qemu-io", "-c", "write 0 64k", path); err == nil {
		t.Errorf("QEMU writes to an image with the corrupt flag: %s", out)
	}
	run(t, dir, qedit, "set", path, "corrupt=off")
	run(t, dir, "qemu-io", "-c", "write 0 64k", path)
	run(t, dir, "qemu-img", "check", path)
}

// An image that QEMU opens still opens after checked edits, and says what was
// set.
func TestQEMUOpensWhatWeSave(t *testing.T) {
	needQEMU(t)
	qedit, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	create(t, dir, "base.qcow2", nil)
	create(t, dir, "other-base-with-a-longer-name.qcow2", nil)
	for name, options := range kinds() {
		if strings.Contains(name, "aes") || name == "luks" || name == "long backing" {
			continue // QEMU wants a key, or the file itself
		}
		t.Run(name, func(t *testing.T) {
			path := create(t, dir, "disk.qcow2", options)
			settings := []string{"size=7M"}
			if !strings.Contains(name, "data file") {
				settings = append(settings, "backing_file=other-base-with-a-longer-name.qcow2", "backing_format=qcow2")
			}
			run(t, dir, append([]string{qedit, "set", path}, settings...)...)
			var info struct {
				Size    int64  `json:"virtual-size"`
				Backing string `json:"backing-filename"`
				Format  string `json:"backing-filename-format"`
			}
			if err := json.Unmarshal([]byte(run(t, dir, "qemu-img", "info", "--output=json", path)), &info); err != nil {
				t.Fatal(err)
			}
			if info.Size != 7<<20 || len(settings) > 1 && (info.Backing != "other-base-with-a-longer-name.qcow2" || info.Format != "qcow2") {
				t.Errorf("%+v", info)
			}
			run(t, dir, "qemu-img", "check", path)
		})
	}
}

// Version 2 becomes 3, and QEMU reads the same disk; the way back is its own.
func TestQEMUVersions(t *testing.T) {
	needQEMU(t)
	qedit, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	create(t, dir, "base.qcow2", nil)
	path := create(t, dir, "disk.qcow2", []string{"-b", "base.qcow2", "-F", "qcow2", "-o", "compat=0.10"})
	run(t, dir, "qemu-io", "-c", "write -P 7 1M 64k", path)
	run(t, dir, qedit, "set", path, "version=3")
	if info := run(t, dir, "qemu-img", "info", path); !strings.Contains(info, "compat: 1.1") {
		t.Errorf("not version 3:\n%s", info)
	}
	run(t, dir, "qemu-img", "check", path)
	run(t, dir, "qemu-io", "-r", "-c", "read -P 7 1M 64k", path)
	if out, err := try(dir, qedit, "set", path, "version=2"); err == nil || !strings.Contains(out, "qemu-img amend -o compat=0.10") {
		t.Errorf("version 2: %v\n%s", err, out)
	}
}

// What qemu-img refuses to open for its header, we report, and no more: each
// message that QEMU stops with is among those we list.
func TestQEMUMessages(t *testing.T) {
	needQEMU(t)
	dir := t.TempDir()
	base := create(t, dir, "disk.qcow2", nil)
	clean, err := os.ReadFile(base)
	if err != nil {
		t.Fatal(err)
	}
	try32 := func(at int, v uint32) []byte {
		buf := bytes.Clone(clean)
		buf[at], buf[at+1], buf[at+2], buf[at+3] = byte(v>>24), byte(v>>16), byte(v>>8), byte(v)
		return buf
	}
	fields := map[string]int{
		"version": 4, "backing_file_offset": 12, "cluster_bits": 20, "size": 28, "size, high": 24, "crypt_method": 32, "l1_size": 36,
		"l1_table_offset": 44, "l1_table_offset, high": 40, "refcount_table_offset": 52, "refcount_table_offset, high": 48,
		"refcount_table_clusters": 56, "nb_snapshots": 60, "snapshots_offset": 68, "snapshots_offset, high": 64,
		"incompatible_features": 76, "incompatible_features, high": 72, "refcount_order": 96, "header_length": 100,
		"compression_type": 104, "extension length": 116,
	}
	values := []uint32{0, 1, 2, 3, 7, 8, 9, 13, 16, 22, 31, 63, 64, 100, 104, 112, 200, 1 << 10, 1 << 16, 1 << 20, 4<<20 + 1, 0x7fffffff, 0x80000000, 0xffff0000, 0xffffffff}
	opened, refused := 0, 0
	for name, at := range fields {
		for _, v := range values {
			if compareVerdicts(t, dir, fmt.Sprintf("%s = %#x", name, v), try32(at, v)) {
				opened++
			} else {
				refused++
			}
		}
	}
	if opened < 50 || refused < 100 {
		t.Errorf("%d opened, %d refused: the cases test little", opened, refused)
	}
}

// compareVerdicts compares what QEMU says of an image with our violations, and
// returns whether QEMU opens it.
func compareVerdicts(t *testing.T, dir, name string, image []byte) bool {
	t.Helper()
	path := filepath.Join(dir, "case.qcow2")
	if err := os.WriteFile(path, image, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := try(dir, "qemu-img", "info", "-f", "qcow2", "-U", path)
	_, vs := header.Decode(image[:min(len(image), 65536)])
	if err == nil {
		for _, broken := range vs {
			if strings.HasPrefix(broken.QEMU, "refuses to open: ") {
				t.Errorf("%s: QEMU opens it; we say %v", name, broken)
			}
		}
		return true
	}
	_, message, _ := strings.Cut(strings.TrimSpace(out), "': ")
	if message == "" || strings.Contains(message, "Could not") || strings.Contains(message, "snapshot table entry") {
		return false // a crash of info, or what only reading the tables shows
	}
	for _, broken := range vs {
		if strings.Contains(broken.QEMU, message) {
			return false
		}
	}
	t.Errorf("%s: QEMU says %q; we list %v", name, message, vs)
	return false
}

// Random bytes of headers of several kinds, one or two at a time: QEMU and we
// agree on which do not open, and why.
func TestQEMUPokes(t *testing.T) {
	needQEMU(t)
	dir := t.TempDir()
	create(t, dir, "base.qcow2", nil)
	r := rand.New(rand.NewPCG(2, 3))
	refused := 0
	for _, kind := range []struct {
		name    string
		options []string
	}{
		{"plain", nil},
		{"v2", []string{"-o", "compat=0.10"}},
		{"backing", []string{"-b", "base.qcow2", "-F", "qcow2"}},
		{"data file", []string{"-o", "data_file=" + filepath.Join(dir, "data.raw")}},
		{"extended", []string{"-o", "extended_l2=on"}},
		{"512", []string{"-o", "cluster_size=512"}},
	} {
		clean, err := os.ReadFile(create(t, dir, "disk.qcow2", kind.options))
		if err != nil {
			t.Fatal(err)
		}
		area := header.NewArea(clean[:min(len(clean), 65536)])
		for range 60 {
			buf := bytes.Clone(clean)
			name := kind.name
			for range 1 + r.IntN(2) {
				at := 4 + r.IntN(int(area.End())-4)
				buf[at] = []byte{0, 1, 2, 0x80, 0xff, buf[at] ^ 1<<r.IntN(8)}[r.IntN(6)]
				name += fmt.Sprintf(" %#x:%02x", at, buf[at])
			}
			if !compareVerdicts(t, dir, name, buf) {
				refused++
			}
		}
	}
	if refused < 50 {
		t.Errorf("%d refused: the cases test little", refused)
	}
}
