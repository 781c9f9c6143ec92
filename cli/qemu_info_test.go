package cli_test

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"qedit/cli"
)

// qemuInfo is what qemu-img info prints.
type qemuInfo struct {
	VirtualSize    uint64            `json:"virtual-size"`
	ClusterSize    uint64            `json:"cluster-size"`
	Dirty          bool              `json:"dirty-flag"`
	Encrypted      bool              `json:"encrypted"`
	BackingFile    *string           `json:"backing-filename"`
	BackingFormat  *string           `json:"backing-filename-format"`
	Snapshots      []json.RawMessage `json:"snapshots"`
	FormatSpecific struct {
		Data struct {
			Compat          string            `json:"compat"`
			CompressionType string            `json:"compression-type"`
			LazyRefcounts   bool              `json:"lazy-refcounts"`
			RefcountBits    uint64            `json:"refcount-bits"`
			Corrupt         bool              `json:"corrupt"`
			ExtendedL2      bool              `json:"extended-l2"`
			DataFile        *string           `json:"data-file"`
			DataFileRaw     bool              `json:"data-file-raw"`
			Bitmaps         []json.RawMessage `json:"bitmaps"`
		} `json:"data"`
	} `json:"format-specific"`
}

// ourInfo is what info prints.
type ourInfo struct {
	Header struct {
		Version         uint32  `json:"version"`
		Size            uint64  `json:"size"`
		ClusterBits     uint32  `json:"cluster_bits"`
		CryptMethod     uint32  `json:"crypt_method"`
		RefcountOrder   uint32  `json:"refcount_order"`
		CompressionType uint8   `json:"compression_type"`
		NbSnapshots     int     `json:"nb_snapshots"`
		Dirty           bool    `json:"dirty"`
		Corrupt         bool    `json:"corrupt"`
		LazyRefcounts   bool    `json:"lazy_refcounts"`
		ExtendedL2      bool    `json:"extended_l2"`
		RawExternalData bool    `json:"raw_external_data"`
		BitmapsValid    bool    `json:"bitmaps_valid"`
		BackingFile     *string `json:"backing_file"`
		BackingFormat   *string `json:"backing_format"`
		DataFile        *string `json:"data_file"`
		Extensions      []struct {
			NbBitmaps int `json:"nb_bitmaps"`
		} `json:"extensions"`
	} `json:"header"`
	Violations []struct {
		QEMU string `json:"qemu"`
	} `json:"violations"`
}

// refused reports whether QEMU does not open the image, as info has it.
func (o *ourInfo) refused() bool {
	for _, v := range o.Violations {
		if strings.HasPrefix(v.QEMU, "refuses to open") {
			return true
		}
	}
	return false
}

// inQEMUsWords is what qemu-img would print of what info does.
func (o *ourInfo) inQEMUsWords() qemuInfo {
	h := &o.Header
	q := qemuInfo{VirtualSize: h.Size &^ 511, ClusterSize: 1 << h.ClusterBits, Dirty: h.Dirty, Encrypted: h.CryptMethod != 0,
		BackingFile: h.BackingFile, BackingFormat: h.BackingFormat, Snapshots: make([]json.RawMessage, h.NbSnapshots)}
	d := &q.FormatSpecific.Data
	d.Compat, d.RefcountBits = "1.1", 1<<h.RefcountOrder
	d.CompressionType = []string{"zlib", "zstd"}[min(h.CompressionType, 1)]
	d.LazyRefcounts, d.Corrupt, d.ExtendedL2 = h.LazyRefcounts, h.Corrupt, h.ExtendedL2
	d.DataFile, d.DataFileRaw = h.DataFile, h.RawExternalData
	if h.Version == 2 { // of which qemu-img says less
		d.Compat = "0.10"
	}
	for _, e := range h.Extensions {
		d.Bitmaps = append(d.Bitmaps, make([]json.RawMessage, e.NbBitmaps)...)
	}
	return q
}

// flat is a value with what its pointers lead to, and lists as their lengths.
func (q qemuInfo) flat() string {
	text := func(s *string) string {
		if s == nil {
			return "none"
		}
		return *s
	}
	d := &q.FormatSpecific.Data
	b, _ := json.Marshal([]any{q.VirtualSize, q.ClusterSize, q.Dirty, q.Encrypted, text(q.BackingFile), text(q.BackingFormat), len(q.Snapshots),
		d.Compat, d.CompressionType, d.LazyRefcounts, d.RefcountBits, d.Corrupt, d.ExtendedL2, text(d.DataFile), d.DataFileRaw, len(d.Bitmaps)})
	return string(b)
}

// What info says is what qemu-img info says, of the corpus and of fresh images;
// and what QEMU does not open info says of that it does not.
func TestQEMUInfo(t *testing.T) {
	needQEMU(t)
	images := append(corpus(t), makeImages(t)...)
	dir := t.TempDir()
	path := filepath.Join(dir, "bitmaps.qcow2")
	qemu(t, dir, "qemu-img", "create", "-q", "-f", "qcow2", path, "4M")
	qemu(t, dir, "qemu-img", "bitmap", "--add", path, "one")
	qemu(t, dir, "qemu-img", "bitmap", "--add", path, "two")
	aes := filepath.Join(dir, "aes.qcow2")
	qemu(t, dir, "qemu-img", "create", "-q", "-f", "qcow2", "--object", "secret,id=s,data=x", "-o", "encrypt.format=aes,encrypt.key-secret=s", aes, "4M")
	luks := filepath.Join(dir, "luks.qcow2")
	qemu(t, dir, "qemu-img", "create", "-q", "-f", "qcow2", "--object", "secret,id=s,data=x", "-o", "encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10", luks, "4M")
	images = append(images, made{"bitmaps", path}, made{"aes", aes}, made{"fresh luks", luks})
	compared, refused := 0, 0
	for _, m := range images {
		var out bytes.Buffer
		cli.Main([]string{"info", "-o", "json", m.path}, cli.Env{Stdout: &out, Stderr: &bytes.Buffer{}})
		var ours ourInfo
		if err := json.Unmarshal(out.Bytes(), &ours); err != nil {
			t.Errorf("%s: %v", m.name, err)
			continue
		}
		text, err := exec.Command("qemu-img", "info", "-U", "-f", "qcow2", "--output=json", m.path).Output()
		if err != nil {
			refused++
			if !ours.refused() && m.name != "luks.qcow2" { // that one lacks its LUKS header, which is no part of the header
				t.Errorf("%s: QEMU does not open it; we have %+v", m.name, ours.Violations)
			}
			continue
		}
		compared++
		var theirs qemuInfo
		if err := json.Unmarshal(text, &theirs); err != nil {
			t.Fatal(err)
		}
		if theirs.FormatSpecific.Data.CompressionType == "" {
			theirs.FormatSpecific.Data.CompressionType = "zlib" // not printed of version 2
		}
		if got, want := ours.inQEMUsWords().flat(), theirs.flat(); got != want {
			t.Errorf("%s: %s, qemu-img says %s", m.name, got, want)
		}
		if ours.refused() {
			t.Errorf("%s: QEMU opens it; we have %+v", m.name, ours.Violations)
		}
	}
	if compared < 40 || refused < 3 {
		t.Errorf("%d images were compared, %d refused", compared, refused)
	}
}
