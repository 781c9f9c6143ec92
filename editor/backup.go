package editor

import (
	"bytes"
	"cmp"
	"compress/zlib"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"qedit/header"
)

// Backup is a copy of the structures of an image that lead to all others, to be
// restored when they are damaged. See docs/patch.md for the file.
type Backup struct {
	Time        time.Time
	Size        int64  // of the image file, bytes
	ClusterBits uint32 // of its header
	DiskSize    uint64 // of the virtual disk, bytes
	Parts       []BackupPart
}

// BackupPart is a structure of a backup.
type BackupPart struct {
	Name   string // as in expressions: "header", "l1"
	Offset header.HostOffset
	Bytes  []byte
}

// Bounds of a backup: of its structures in bytes, how many there are, and of the
// file, whose data may not be smaller for being compressed.
const (
	MaxBackup      = 64 << 20
	MaxBackupParts = 1 << 17
	MaxBackupFile  = 2*MaxBackup + 256*MaxBackupParts
)

// backupFile is the JSON of a backup.
type backupFile struct {
	Kind        string       `json:"qedit"` // "header"
	Version     int          `json:"version"`
	Time        time.Time    `json:"time"`
	Size        int64        `json:"size"`
	ClusterBits uint32       `json:"cluster_bits"`
	DiskSize    uint64       `json:"virtual_size"`
	Parts       []backupPart `json:"structures"`
	Sum         hexadecimal  `json:"sha256"`
}

type backupPart struct {
	Name   string `json:"name"`
	Offset uint64 `json:"offset"`
	Length int    `json:"length"` // bytes
	Data   []byte `json:"data"`   // zlib, in base64
}

const (
	backupKind    = "header"
	backupVersion = 1
)

func (b *Backup) sum() []byte {
	h := sha256.New()
	number := func(v uint64) {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], v)
		h.Write(n[:]) // never fails
	}
	for _, v := range []uint64{uint64(b.Size), uint64(b.ClusterBits), b.DiskSize} {
		number(v)
	}
	for _, p := range b.Parts {
		number(uint64(p.Offset))
		number(uint64(len(p.Bytes)))
		h.Write(p.Bytes)
	}
	return h.Sum(nil)
}

// Write writes the file of the backup.
func (b *Backup) Write(w io.Writer) error {
	f := backupFile{Kind: backupKind, Version: backupVersion, Time: b.Time, Size: b.Size, ClusterBits: b.ClusterBits, DiskSize: b.DiskSize, Sum: b.sum()}
	for _, p := range b.Parts {
		var packed bytes.Buffer
		z := zlib.NewWriter(&packed)
		_, err := z.Write(p.Bytes)
		if err := errors.Join(err, z.Close()); err != nil {
			return err
		}
		f.Parts = append(f.Parts, backupPart{p.Name, uint64(p.Offset), len(p.Bytes), packed.Bytes()})
	}
	text, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return err
	}
	_, err = w.Write(append(text, '\n'))
	return err
}

// ReadBackup reads the file of a backup. The error is a *TornError where that is
// no backup, or not as it was written.
func ReadBackup(data []byte) (*Backup, error) {
	torn := func(format string, args ...any) (*Backup, error) {
		return nil, &TornError{Kind: "saved header", At: len(data), Why: fmt.Sprintf(format, args...)}
	}
	if len(data) > MaxBackupFile || bytes.Count(data, []byte{'{'}) > MaxBackupParts+1 {
		return torn("it is longer than a saved header can be")
	}
	var f backupFile
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return torn("%v", err)
	}
	switch {
	case f.Kind != backupKind:
		return torn("it is a %s", header.Quote(cmp.Or(f.Kind, "file of another kind")))
	case f.Version != backupVersion:
		return torn("it has version %d, %d is known here", f.Version, backupVersion)
	case d.More():
		return torn("something follows")
	}
	b := &Backup{Time: f.Time, Size: f.Size, ClusterBits: f.ClusterBits, DiskSize: f.DiskSize}
	total := 0
	for _, p := range f.Parts {
		if p.Length < 0 || p.Length > MaxBackup-total {
			return torn("its structures are longer than a saved header can be")
		}
		total += p.Length
		z, err := zlib.NewReader(bytes.NewReader(p.Data))
		if err != nil {
			return torn("%s: %v", header.Printable(p.Name), err)
		}
		plain := make([]byte, p.Length)
		if _, err := io.ReadFull(z, plain); err != nil {
			return torn("%s: %v", header.Printable(p.Name), err)
		}
		b.Parts = append(b.Parts, BackupPart{p.Name, header.HostOffset(p.Offset), plain})
	}
	if !bytes.Equal(b.sum(), f.Sum) {
		return torn("its checksum does not match: it was changed, or cut")
	}
	return b, nil
}

// Foreign says why the backup is not of the image of a session, "" where nothing
// speaks against it. An image whose header is damaged is known by its length
// alone.
func (b *Backup) Foreign(s *Session) string {
	h := s.Area().Header
	switch {
	case b.Size != s.Size():
		return fmt.Sprintf("it is of an image of %d bytes, this one has %d", b.Size, s.Size())
	case len(s.Area().Violations) > 0:
	case b.ClusterBits != h.ClusterBits:
		return fmt.Sprintf("it is of an image with cluster_bits %d, here it is %d", b.ClusterBits, h.ClusterBits)
	case b.DiskSize != h.Size:
		return fmt.Sprintf("it is of a disk of %d bytes, this one has %d", b.DiskSize, h.Size)
	}
	return ""
}

// Transaction returns what makes the structures of the image those of the
// backup: only bytes that differ.
func (b *Backup) Transaction(s *Session) (Transaction, error) {
	t := Transaction{Title: "restore the header of " + b.Time.UTC().Format(time.DateTime)}
	parts := slices.Clone(b.Parts)
	slices.SortStableFunc(parts, func(a, b BackupPart) int { return cmp.Compare(a.Offset, b.Offset) })
	end := header.HostOffset(0)
	for _, p := range parts {
		if p.Offset < end { // structures of a damaged image may overlap: both have the same bytes there
			skip := min(uint64(end-p.Offset), uint64(len(p.Bytes)))
			p.Offset, p.Bytes = p.Offset+header.HostOffset(skip), p.Bytes[skip:]
		}
		if len(p.Bytes) == 0 {
			continue
		}
		part, err := s.Overwrite(t.Title, p.Offset, p.Bytes)
		if err != nil {
			return t, fmt.Errorf("%s: %w", header.Printable(p.Name), err)
		}
		t.Replacements = append(t.Replacements, part.Replacements...)
		end = p.Offset + header.HostOffset(len(p.Bytes))
	}
	return t, nil
}
