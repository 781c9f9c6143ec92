package image

import (
	"fmt"
	"slices"

	"qedit/header"
)

// entryRule is something that must hold of an entry, beyond what the rows of
// its field table say: that reserved bits are zero, and that offsets lie in the
// file, at the start of a cluster where they must.
type entryRule struct {
	id     string // stable, "kind.word"
	field  string // that is shown as the one to blame
	text   string // what must hold, after "must"
	qemu   string // what QEMU does about it, its message quoted
	broken func(im *Image, e *Entry) bool
}

var entryRules = [...][]entryRule{
	EntryL2: standardRules,
	EntryL2Extended: append(slices.Clip(standardRules), []entryRule{
		{"l2.subclusters", "zeros", "not have a bit that allocated has too",
			`fails to read the subcluster, and calls it an error in check: "Allocated cluster has corrupted subcluster allocation bitmap"`,
			func(_ *Image, e *Entry) bool { return uint32(e.Bitmap)&uint32(e.Bitmap>>32) != 0 }},
		{"l2.no_cluster", "allocated", "be zero, as no cluster is allocated",
			`fails to read the subcluster, and calls it an error in check: "Unallocated cluster has non-zero subcluster allocation map"`,
			func(im *Image, e *Entry) bool {
				return uint32(e.Bitmap) != 0 && e.L2().Offset() == 0 && !(im.externalData() && e.L2().Copied())
			}},
	}...),
	EntryL2Compressed:         compressedRules,
	EntryL2ExtendedCompressed: compressedRules,
	EntryBitmapTable: {
		{"bitmap_table.all_ones", "all_ones", "be off, as there is an offset", "refuses to open the image",
			func(_ *Image, e *Entry) bool { return BitmapTableEntry(e.Word).Offset() != 0 && e.Word&bitmapOnes != 0 }},
	},
	entryKinds - 1: nil,
}

var standardRules = []entryRule{
	{"l2.data_file", "cluster_offset", "be the guest offset, as there is an external data file",
		`fails to read: "External data file host cluster offset … does not match guest cluster offset: …"`,
		func(im *Image, e *Entry) bool { return im.wrongDataFileOffset(e) }},
	{"l2.header", "cluster_offset", "not be the header", "reads and writes the header as guest data, or refuses to write", overHeader},
}

var compressedRules = []entryRule{
	{"l2.compressed_end", "additional_sectors", "end in the file", "fails to read the cluster with an I/O error",
		func(im *Image, e *Entry) bool {
			at, n := e.L2().CompressedData(im.clusterBits)
			size := uint64(max(im.size, 0))
			return uint64(at) < size && uint64(at)+n > (size+sector-1)&^(sector-1)
		}},
	{"l2.compressed_data_file", "compressed", "be off, as there is an external data file",
		`calls it an error in check: "compressed cluster … with data file"`,
		func(im *Image, _ *Entry) bool { return im.externalData() }},
}

func (im *Image) wrongDataFileOffset(e *Entry) bool {
	at, _, _ := im.GuestSpan(e)
	l2 := e.L2()
	stored := l2.Offset() != 0 || l2.Copied()
	return im.externalData() && stored && uint64(l2.Offset()) != uint64(at)
}

func overHeader(im *Image, e *Entry) bool {
	at := uint64(e.L2().Offset())
	return !im.externalData() && at != 0 && at < im.ClusterSize()
}

// Violations returns the rules that an entry breaks.
func (im *Image) Violations(e *Entry) []header.Violation {
	if e.unreadable() != "" {
		return nil
	}
	var vs []header.Violation
	l := &im.layouts[e.Kind]
	path := e.Path()
	for i := range l.Fields {
		f := &l.Fields[i]
		if v := e.Value(f); v != 0 {
			vs = append(vs, im.fieldViolations(f, path, e.Offset, v)...)
		}
	}
	for _, r := range entryRules[e.Kind] {
		if !r.broken(im, e) {
			continue
		}
		f := l.Field(r.field)
		vs = append(vs, header.Violation{
			Rule: r.id, Offset: e.Offset + header.HostOffset(f.Offset), Length: f.Width, Field: path + "." + f.Name,
			Value: f.Describe(e.Value(f)), Must: r.text, QEMU: r.qemu,
		})
	}
	return vs
}

// fieldViolations applies the rules that the row of a field holds to its value.
func (im *Image) fieldViolations(f *Field, path string, at header.HostOffset, v uint64) []header.Violation {
	var vs []header.Violation
	add := func(rule, must, want string) {
		vs = append(vs, header.Violation{
			Rule: f.Name + "." + rule, Offset: at + header.HostOffset(f.Offset), Length: f.Width, Field: path + "." + f.Name,
			Value: f.Describe(v), Must: must, Want: want, QEMU: f.QEMU,
		})
	}
	cs := im.ClusterSize()
	inFile := f.Kind == header.Offset && f.Target != header.RoleNone
	switch {
	case f.Reserved:
		add("reserved", "be zero", "0")
	case f.Align && v&(cs-1) != 0:
		add("aligned", fmt.Sprintf("be a multiple of the cluster size %d", cs), header.HostOffset(v&^(cs-1)).String())
	case inFile && v >= uint64(max(im.size, 0)):
		add("inside", fmt.Sprintf("lie in the file, which ends at 0x%x", im.size), "")
	case f.Min != 0 && v < f.Min || f.Most != 0 && v > f.Most:
		add("range", fmt.Sprintf("be from %d to %d", f.Min, f.Most), "")
	}
	if f.Kind == header.Mask && f.Flags != nil {
		var known uint64
		for _, flag := range f.Flags {
			known |= 1 << flag.Bit
		}
		if v&^known != 0 {
			add("reserved", "have no bits that the specification does not name", fmt.Sprintf("0x%x", v&known))
		}
	}
	return vs
}
