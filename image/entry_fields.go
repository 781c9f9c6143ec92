package image

import "qedit/header"

// EntryKind says which fields an entry has.
type EntryKind uint8

// The kinds of entries (specification, "Cluster mapping", "Refcounts",
// "Bitmap table", "Snapshots", "Bitmap directory").
const (
	EntryL1 EntryKind = iota
	EntryL2
	EntryL2Compressed
	EntryL2Extended
	EntryL2ExtendedCompressed
	EntryRefcountTable
	EntryRefcount
	EntryBitmapTable
	EntrySnapshot
	EntryBitmap
	entryKinds = int(EntryBitmap) + 1
)

// String returns what the kind is called, for people.
func (k EntryKind) String() string {
	return [...]string{
		"L1 entry", "L2 entry", "compressed L2 entry", "extended L2 entry", "compressed extended L2 entry",
		"refcount table entry", "refcount", "bitmap table entry", "snapshot", "bitmap",
	}[min(int(k), entryKinds-1)]
}

// makeLayouts sets up the field tables of this image's entries. The rows of all
// kinds stand here and nowhere else.
func (im *Image) makeLayouts() {
	l2 := im.l2Fields(false)
	extended := im.l2Fields(true)
	im.layouts = [...]Layout{
		EntryL1: {EntryL1, 8, []Field{
			zeros("reserved_0", 0, 0, 8),
			pointer("l2_table_offset", 9, 55, header.RoleL2, "Host offset of the L2 table, 0 where there is none: none of its clusters is allocated.",
				`stops with an I/O error and marks the image corrupt: "L2 table offset … unaligned (L1 index: …)"`),
			zeros("reserved_56", 0, 56, 62),
			flag("copied", 0, 63, "The refcount of the L2 table is exactly one. Accurate only in the active L1 table.", "copies the table before it writes to it when the bit is off; writes to a shared table when it is wrongly on"),
		}},
		EntryL2:                   {EntryL2, 8, l2},
		EntryL2Compressed:         {EntryL2Compressed, 8, im.compressedFields()},
		EntryL2Extended:           {EntryL2Extended, 16, append(extended, bitmapFields...)},
		EntryL2ExtendedCompressed: {EntryL2ExtendedCompressed, 16, append(im.compressedFields(), zeros("subclusters", 8, 0, 63))},
		EntryRefcountTable: {EntryRefcountTable, 8, []Field{
			zeros("reserved_0", 0, 0, 8),
			pointer("refcount_block_offset", 9, 63, header.RoleRefcountBlock, "Host offset of the refcount block, 0 where there is none: all refcounts of its range are 0.",
				`stops with an I/O error and marks the image corrupt: "Refblock offset … unaligned (reftable index: …)"`),
		}},
		EntryRefcount: {EntryRefcount, int(max(im.refcountBits()/8, 1)), []Field{{
			Field: header.Field{Name: "refcount", Width: int(max(im.refcountBits()/8, 1)), Kind: header.Number,
				Meaning: "How often the cluster is in use: once by each table entry, snapshot or compressed cluster that points at it; 0 is free."},
			Low: 0, High: int(im.refcountBits()) - 1,
		}}},
		EntryBitmapTable: {EntryBitmapTable, 8, []Field{
			flag("all_ones", 0, 0, "Without an offset: the cluster of the bitmap reads as all ones, not zeros. With an offset it must be 0.", "treats as dirty"),
			zeros("reserved_1", 0, 1, 8),
			pointer("cluster_offset", 9, 55, header.RoleBitmaps, "Host offset of a cluster of the bitmap, 0 where none is stored.", "refuses to open the image"),
			zeros("reserved_56", 0, 56, 63),
		}},
		EntrySnapshot: {EntrySnapshot, SnapshotHead, snapshotFields},
		EntryBitmap:   {EntryBitmap, BitmapHead, bitmapHeadFields},
	}
}

// refcountBits is the width of a refcount.
func (im *Image) refcountBits() uint64 { return 1 << min(im.h.RefcountOrder, 6) }

// l2Fields are the fields of a standard L2 entry, or the first word of an
// extended one.
func (im *Image) l2Fields(extended bool) []Field {
	first := flag("zero", 0, 0, "The cluster reads as zeros, whatever is stored. Version 3 only.", "reads zeros")
	if extended {
		first = zeros("reserved_0", 0, 0, 0)
	} else if im.h.Version < header.Three {
		first.Reserved = true
		first.QEMU = `fails to read: "Zero cluster entry found in pre-v3 image (L2 offset: …, L2 index: …)"`
	}
	data := pointer("cluster_offset", 9, 55, header.RoleData, "Host offset of the cluster, 0 where none is stored.",
		`stops with an I/O error and marks the image corrupt: "Cluster allocation offset … unaligned (L2 offset: …, L2 index: …)"`)
	if im.externalData() {
		data.Target = header.RoleNone
		data.Meaning = "Offset of the cluster in the external data file; it must be the guest offset."
	}
	return []Field{
		first,
		zeros("reserved_1", 0, 1, 8),
		data,
		zeros("reserved_56", 0, 56, 61),
		flag("compressed", 0, 62, "The cluster is stored compressed; the other bits mean something else then.", "reads the entry as a compressed one"),
		flag("copied", 0, 63, "The refcount of the cluster is exactly one: it may be written in place.", "copies the cluster before it writes to it when the bit is off; writes to shared data when it is wrongly on"),
	}
}

// compressedFields are the fields of the descriptor of a compressed cluster;
// how it is split depends on the cluster size.
func (im *Image) compressedFields() []Field {
	x := int(62 - (im.clusterBits - 8))
	offset := Field{
		Field: header.Field{Name: "data_offset", Width: 8, Kind: header.Offset, Target: header.RoleData,
			Meaning: "Host offset of the compressed data, in bytes; it need not be aligned."},
		Low: 0, High: min(x-1, 55),
		QEMU: "fails to read the cluster with an I/O error",
	}
	fields := []Field{offset}
	if x > 56 {
		fields = append(fields, zeros("reserved_56", 0, 56, x-1))
	}
	return append(fields,
		Field{
			Field: header.Field{Name: "additional_sectors", Width: 8, Kind: header.Number,
				Meaning: "Sectors of 512 bytes that the data takes, beyond the one that it starts in."},
			Low: x, High: 61,
		},
		flag("compressed", 0, 62, "The cluster is stored compressed.", "reads the entry as a compressed one"),
		Field{
			Field: header.Field{Name: "copied", Width: 8, Kind: header.Enum, Values: onOff, Meaning: "Must be off: compressed data is never written in place."},
			Low:   63, High: 63, Reserved: true, QEMU: `calls it an error in check that it never mends: "copied flag must never be set for compressed clusters"`,
		},
	)
}

// bitmapFields are the second word of an extended L2 entry.
var bitmapFields = []Field{
	{
		Field: header.Field{Name: "allocated", Offset: 8, Width: 8, Kind: header.Mask, Meaning: "Bit i: subcluster i is stored in the cluster. A subcluster cannot be allocated and zero at once."},
		Low:   0, High: 31, QEMU: "fails to read the subcluster with an I/O error",
	},
	{
		Field: header.Field{Name: "zeros", Offset: 8, Width: 8, Kind: header.Mask, Meaning: "Bit i: subcluster i reads as zeros."},
		Low:   32, High: 63, QEMU: "fails to read the subcluster with an I/O error",
	},
}

var snapshotFields = []Field{
	bytesField("l1_table_offset", 0, 8, header.Offset, header.RoleL1, "Host offset of the snapshot's L1 table."), // QEMU looks at it on use only
	within(bytesField("l1_size", 8, 4, header.Number, 0, "Entries of the snapshot's L1 table."), 1, MaxL1Entries, `opens the image; refuses to use the snapshot: "Snapshot L1 table too large"`),
	bytesField("id_str_size", 12, 2, header.Number, 0, "Length of the unique id in bytes."),
	bytesField("name_size", 14, 2, header.Number, 0, "Length of the name in bytes."),
	bytesField("date_sec", 16, 4, header.Number, 0, "When the snapshot was taken, seconds since 1970 (UTC)."),
	bytesField("date_nsec", 20, 4, header.Number, 0, "When the snapshot was taken, the nanoseconds of the second."),
	bytesField("vm_clock_nsec", 24, 8, header.Number, 0, "How long the guest had been running, nanoseconds."),
	bytesField("vm_state_size", 32, 4, header.Size, 0, "Size of the saved state of the machine in bytes, 0 where there is none or the extra data has it."),
	within(bytesField("extra_data_size", 36, 4, header.Number, 0, "Length of the extra data in bytes; at least 16 in version 3."), 0, MaxSnapshotExtra, `refuses to open the image: "Too much extra metadata in snapshot table entry …"`),
}

// snapshotExtraFields are what of the extra data is known; offsets count from
// the start of the entry.
var snapshotExtraFields = []Field{
	bytesField("vm_state_size_large", 40, 8, header.Size, 0, "Size of the saved state of the machine in bytes."),
	bytesField("disk_size", 48, 8, header.Size, 0, "Size of the virtual disk when the snapshot was taken, bytes."),
	bytesField("icount", 56, 8, header.Number, 0, "Instruction count of the guest; all ones where it was not counted."),
}

var bitmapHeadFields = []Field{
	bytesField("bitmap_table_offset", 0, 8, header.Offset, header.RoleBitmaps, "Host offset of the bitmap's table."),
	within(bytesField("bitmap_table_size", 8, 4, header.Number, 0, "Entries of the bitmap's table."), 1, MaxBitmapTable, `refuses to open the image`),
	withFlags(bytesField("flags", 12, 4, header.Mask, 0, "What state the bitmap is in."), []header.Flag{
		{Bit: 0, Name: "in_use", Meaning: "The bitmap was not saved properly and may be inconsistent.", Alarm: "the bitmap may be inconsistent",
			Clear: "Makes QEMU trust the bitmap. What was written since it was last saved is missing in it: an incremental backup made with it misses that data."},
		{Bit: 1, Name: "auto", Meaning: "The bitmap records changes of the disk from when it is opened on."},
		{Bit: 2, Name: "extra_data_compatible", Meaning: "Software that does not know the extra data may use the bitmap. QEMU does not know this bit."},
	}),
	within(withValues(bytesField("type", 16, 1, header.Enum, 0, "What kind of bitmap it is."), []header.Value{{Number: 1, Name: "dirty_tracking", Meaning: "a dirty bitmap"}}), 1, 1, "refuses to open the image"),
	within(bytesField("granularity_bits", 17, 1, header.Log2Bytes, 0, "Binary logarithm of how many bytes of the disk a bit stands for: 9 to 31 in QEMU."), 9, 31, `refuses to open the image: "Bitmap '…' doesn't satisfy the constraints"`),
	within(bytesField("name_size", 18, 2, header.Number, 0, "Length of the name in bytes, at most 1023 in QEMU."), 0, 1023, `refuses to open the image: "Bitmap '…' doesn't satisfy the constraints"`),
	bytesField("extra_data_size", 20, 4, header.Number, 0, "Length of the extra data in bytes."),
}
