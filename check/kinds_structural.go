package check

// structuralKinds are the kinds of what is found without counting references:
// the header, what it points at, snapshots, bitmaps.
var structuralKinds = append([]*Kind{
	kindDirty, kindCorrupt, kindUnknownCompatible, kindUnknownAutoclear, kindUnknownFields,
	kindUnclaimed, kindHeaderRest, kindTableOutside, kindTableCut, kindTablesOverlap,
	kindEndTooLong, kindExtensionPadding, kindBitmapsNotValid, kindNoBackingFormat, kindFormatAlone,
	kindSnapshotUnreadable, kindNoSnapshot, kindSnapshotTableBig, kindSnapshotExtraLarge, kindSnapshotExtraShort, kindSnapshotExtraOdd,
	kindSnapshotNoID, kindSnapshotIDTwice, kindSnapshotIDNumber, kindSnapshotNameTwice, kindSnapshotText,
	kindSnapshotL1Unaligned, kindSnapshotL1Outside, kindSnapshotL1Cut, kindSnapshotL1Header, kindSnapshotL1Large, kindSnapshotL1Small,
	kindSnapshotDiskSize, kindSnapshotVMState,
	kindBitmapDirectory, kindNoBitmap, kindBitmapsMore, kindBitmapFlags, kindBitmapType, kindBitmapGranularity, kindBitmapExtra, kindBitmapName, kindBitmapNoName,
	kindBitmapNameTwice, kindBitmapText, kindBitmapPadding, kindBitmapInUse,
	kindBitmapTableSize, kindBitmapTableOffset, kindBitmapTableOutside,
	kindBitmapEntryReserved, kindBitmapEntryUnaligned, kindBitmapEntryOutside, kindBitmapTableUnread,
	kindLUKSMagic, kindLUKSHeader, kindLUKSLength,
}, headerKinds...)

// The header.
var (
	kindDirty = &Kind{
		ID: "dirty", Severity: Warning, Title: "dirty flag is set",
		Means: "Refcounts may be wrong: whoever had the image open for writing did not close it, or still has it open. Guest data is not touched.",
		QEMU:  "opens it for reading; its check does not mention the flag, and a failed repair clears it all the same; when it opens the image for writing it repairs first, and erases what it believes leaked",
		NoFix: "The flag is cleared only together with refcounts that were verified: those that are too low are raised first.",
	}
	kindCorrupt = &Kind{
		ID: "corrupt", Severity: Error, Title: "corrupt flag is set",
		Means: "A writer met a structure that cannot be right, and stopped. The guest cannot write.",
		QEMU:  `opens it for reading only: "qcow2: Image is corrupt; cannot be opened read/write"; its check does not mention the flag`,
		NoFix: "The flag is cleared when no error is left that it could mean, or by a person's word.",
	}
	kindUnknownCompatible = &Kind{
		ID: "unknown-compatible-feature", Severity: Note, Title: "unknown compatible feature",
		Means: "Nothing: such a feature may be ignored.",
		QEMU:  "opens, and keeps the bits",
		NoFix: "The bits do no harm, and what they stand for is not known.",
	}
	kindUnknownAutoclear = &Kind{
		ID: "unknown-autoclear-feature", Severity: Note, Title: "unknown autoclear feature",
		Means: "Something in the image is right only as long as nobody writes who does not know it.",
		QEMU:  "opens, and clears the bits when it opens the image for writing",
	}
	kindUnknownFields = &Kind{
		ID: "header-unknown-fields", Severity: Note, Title: "fields of a later version of the header",
		Means: "They are not known here, and are kept as they are.",
		QEMU:  "opens, and keeps them",
		NoFix: "They do no harm, and what they stand for is not known.",
	}
	kindUnclaimed = &Kind{
		ID: "header-unclaimed", Severity: Note, Title: "bytes between the extensions and the backing file name",
		Means: "Nothing; the specification allows nothing there.",
		QEMU:  "opens, and writes zeros there when it next writes the header",
	}
	kindHeaderRest = &Kind{
		ID: "header-rest", Severity: Note, Title: "bytes behind the header in its cluster",
		Means: "Nothing is read there. It may be the rest of an older header, or something hidden.",
		QEMU:  "opens, and writes zeros there when it next writes the header",
	}
	kindTableOutside = &Kind{
		ID: "table-outside", Severity: Error, Title: "table past the end of the file",
		Means: "Either the pointer is wrong, and the table is still somewhere in the file; or the file was cut off, and the table is lost.",
		QEMU:  "opens, and reads zeros: an L1 table that maps nothing, refcounts of 0; a repair then erases all clusters that it does not find in use",
		NoFix: noLostPointer + " An L1 table is looked for, among the first and the last clusters that nothing points at.",
	}
	kindTableCut = &Kind{
		ID: "table-cut", Severity: Error, Title: "table reaches past the end of the file",
		Means: "The end of the table is lost, or the size that the header gives is wrong.",
		QEMU:  "opens, and reads zeros for what is missing",
		NoFix: "What stood there is not known.",
	}
	kindTablesOverlap = &Kind{
		ID: "tables-overlap", Severity: Error, Title: "two tables overlap",
		Means: "The same bytes are read as two different tables: at least one of the two pointers is wrong.",
		QEMU:  `opens; it refuses to write with "Preventing invalid write", or counts two references and finds no error`,
		NoFix: "Which of the pointers is wrong is not known.",
	}
)

// The header extensions.
var (
	kindEndTooLong = &Kind{
		ID: "extensions-end-length-large", Severity: Error, Title: "end of the extensions with a length past the first cluster",
		Means: nothingOpens,
		QEMU:  `refuses to open: "Header extension too large"`,
	}
	kindExtensionPadding = &Kind{
		ID: "extension-padding", Severity: Note, Title: "padding of an extension not zero",
		Means: "Nothing is read there.",
		QEMU:  "opens, and writes zeros there when it next writes the header",
	}
	kindBitmapsNotValid = &Kind{
		ID: "bitmaps-not-valid", Severity: Warning, Title: "bitmaps without bitmaps_valid",
		Means: "All bitmaps count as inconsistent: whoever wrote to the image last did not know bitmaps. The next incremental backup has to be a full one.",
		QEMU:  `opens, warns "a program lacking bitmap support modified this file, so all bitmaps are now considered inconsistent", and drops the bitmaps at the next opening for writing; their clusters leak`,
	}
	kindNoBackingFormat = &Kind{
		ID: "backing-format-missing", Severity: Warning, Title: "backing file without its format",
		Means: "The format has to be guessed from the first bytes of the backing file. A guest that can write to a raw backing file can make that guess wrong, and read files of the host. libvirt refuses to start a guest with such an image.",
		QEMU:  "opens, and guesses; it refuses to create or rebase such an image",
	}
	kindFormatAlone = &Kind{
		ID: "backing-format-alone", Severity: Note, Title: "backing format without a backing file",
		Means: "Nothing. If there was a backing file, its name is lost.",
		QEMU:  "opens and takes no notice",
	}
)

// The snapshot table.
var (
	kindSnapshotUnreadable = &Kind{
		ID: "snapshot-unreadable", Severity: Error, Title: "snapshot cannot be read",
		Means: "This snapshot and those behind it in the table are lost, though what they use is still in the file. The active disk is not touched.",
		QEMU:  `refuses to open: "Failed to read snapshot table"; past the end of the file it reads zeros, and takes them for snapshots without a name`,
	}
	kindNoSnapshot = &Kind{
		ID: "snapshot-none", Severity: Error, Title: "no snapshot where the table says",
		Means: "Either nb_snapshots is too large, or snapshots_offset is wrong, and the table is still somewhere in the file. What only the snapshots use looks leaked, and a repair by QEMU erases it.",
		QEMU:  "opens, and lists what it reads there as snapshots",
	}
	kindSnapshotTableBig = &Kind{
		ID: "snapshot-table-large", Severity: Error, Title: "snapshot table too large",
		Means: nothingOpens,
		QEMU:  `refuses to open: "Snapshot table is too big"; check -r all drops the snapshots at the end: "Discarding … overhanging snapshots"`,
	}
	kindSnapshotExtraLarge = &Kind{
		ID: "snapshot-extra-large", Severity: Error, Title: "snapshot with too much extra data",
		Means: nothingOpens,
		QEMU:  `refuses to open: "Too much extra metadata in snapshot table entry …"; check -r all discards it`,
		NoFix: "Where the entry reaches past the file or the limit of the table, its length itself is wrong.",
	}
	kindSnapshotExtraShort = &Kind{
		ID: "snapshot-extra-short", Severity: Error, Title: "snapshot without the extra data of version 3",
		Means: "The snapshot does not say how large the disk was. If the disk was resized since, it is restored at the wrong size.",
		QEMU:  `opens; its check says "ERROR snapshot table entry … is incomplete"`,
		NoFix: "The entry has to grow: where the clusters of the table have no room, the table has to move.",
	}
	kindSnapshotExtraOdd = &Kind{
		ID: "snapshot-extra-odd", Severity: Note, Title: "extra data of a snapshot ends within a field",
		Means: "The field counts as not given.",
		QEMU:  "opens, and keeps the bytes as unknown data",
		NoFix: "The rest of the field is not known, and the bytes do no harm.",
	}
	kindSnapshotNoID = &Kind{
		ID: "snapshot-id-empty", Severity: Warning, Title: "snapshot without an id",
		Means: "The snapshot can be found by its name only.",
		QEMU:  "opens and takes no notice",
		NoFix: "The entry has to grow for an id.",
	}
	kindSnapshotIDTwice = &Kind{
		ID: "snapshot-id-twice", Severity: Warning, Title: "two snapshots with one id",
		Means: "Whoever asks for the id gets the first of them.",
		QEMU:  "opens and takes no notice; the first one counts",
		NoFix: "Where no other id of the same length is free, the entry would have to grow.",
	}
	kindSnapshotIDNumber = &Kind{
		ID: "snapshot-id-number", Severity: Note, Title: "id of a snapshot is no number",
		Means: "Nothing, as long as it is unique. QEMU writes decimal numbers.",
		QEMU:  "opens and takes no notice; it looks for the next free id among numbers only",
		NoFix: "Scripts may know the snapshot by this id.",
	}
	kindSnapshotNameTwice = &Kind{
		ID: "snapshot-name-twice", Severity: Note, Title: "two snapshots with one name",
		Means: "Whoever asks for the name gets the first of them, to delete it too.",
		QEMU:  "opens; qemu-img snapshot -d deletes the first one",
		NoFix: "Both names may be meant.",
	}
	kindSnapshotText = &Kind{
		ID: "snapshot-text", Severity: Note, Title: "id or name of a snapshot is no UTF-8 text",
		Means: "Tools may be unable to name the snapshot.",
		QEMU:  "opens; qemu-img snapshot -d finds snapshots by name only",
		NoFix: "The name that was meant is not known.",
	}
	kindSnapshotL1Unaligned = &Kind{
		ID: "snapshot-l1-unaligned", Severity: Error, Title: "L1 table of a snapshot not at the start of a cluster",
		Means: "The snapshot cannot be read. Its clusters look leaked, and a repair by QEMU erases them.",
		QEMU:  `opens; its check says "ERROR snapshot … (…) l1_offset=…: L1 table is not cluster aligned; snapshot table entry corrupted", never repairs it, and erases what only the snapshot uses`,
	}
	kindSnapshotL1Outside = &Kind{
		ID: "snapshot-l1-outside", Severity: Error, Title: "L1 table of a snapshot past the end of the file",
		Means: "The snapshot reads as empty. Its clusters look leaked, and a repair by QEMU erases them.",
		QEMU:  `opens; its check says "ERROR: counting reference for region exceeding the end of the file by one cluster or more"`,
	}
	kindSnapshotL1Cut = &Kind{
		ID: "snapshot-l1-cut", Severity: Error, Title: "L1 table of a snapshot reaches past the end of the file",
		Means: "The end of the snapshot's disk is not mapped.",
		QEMU:  "opens, and reads zeros for what is missing",
	}
	kindSnapshotL1Header = &Kind{
		ID: "snapshot-l1-header", Severity: Error, Title: "L1 table of a snapshot over the header",
		Means: "The snapshot reads wrong data. Its clusters look leaked, and a repair by QEMU erases them.",
		QEMU:  "opens; when the snapshot is used it takes the header's bytes for L1 entries",
	}
	kindSnapshotL1Large = &Kind{
		ID: "snapshot-l1-large", Severity: Error, Title: "L1 table of a snapshot too large",
		Means: "The snapshot cannot be used.",
		QEMU:  `opens; its check says "ERROR snapshot … (…) l1_size=…: L1 table is too large; snapshot table entry corrupted"; to use it fails: "Snapshot L1 table too large"`,
	}
	kindSnapshotL1Small = &Kind{
		ID: "snapshot-l1-small", Severity: Error, Title: "L1 table of a snapshot too small for its disk",
		Means: "The end of the snapshot's disk is not mapped. Clusters that only it uses look leaked, and a repair by QEMU erases them.",
		QEMU:  "opens and takes no notice; the end of the disk reads as if it was never written",
	}
	kindSnapshotDiskSize = &Kind{
		ID: "snapshot-disk-size", Severity: Note, Title: "snapshot of a disk of another size",
		Means: "The disk was resized since. To go back to the snapshot resizes it again.",
		QEMU:  "opens; it resizes the disk without a word when the snapshot is applied, older versions refuse",
		NoFix: "There is nothing to mend.",
	}
	kindSnapshotVMState = &Kind{
		ID: "snapshot-vm-state", Severity: Warning, Title: "two sizes of the machine state of a snapshot",
		Means: "Programs differ in how much state of the machine they restore.",
		QEMU:  "opens, and takes the size in the extra data",
	}
)

// Bitmaps.
var (
	kindBitmapDirectory = &Kind{
		ID: "bitmap-unreadable", Severity: Error, Title: "bitmap directory cannot be read",
		Means: "Nothing can use the image until this is right. Bitmaps say what to back up; guest data is not touched.",
		QEMU:  `refuses to open, even to check: "Broken bitmap directory", "Less bitmaps found than specified in header extension"`,
	}
	kindNoBitmap = &Kind{
		ID: "bitmap-none", Severity: Error, Title: "no bitmap where the directory says",
		Means: "Either nb_bitmaps is too large, or the offset of the directory is wrong. Nothing can use the image until this is right.",
		QEMU:  constraints,
	}
	kindBitmapsMore = &Kind{
		ID: "bitmaps-more", Severity: Error, Title: "more bitmaps than the header says",
		Means: nothingOpens,
		QEMU:  `refuses to open, even to check: "More bitmaps found than specified in header extension", "Broken bitmap directory"`,
	}
	kindBitmapFlags = &Kind{
		ID: "bitmap-flags", Severity: Error, Title: "reserved flags of a bitmap", Means: nothingOpens, QEMU: constraints,
	}
	kindBitmapType = &Kind{
		ID: "bitmap-type", Severity: Error, Title: "unknown type of bitmap", Means: nothingOpens, QEMU: constraints,
	}
	kindBitmapGranularity = &Kind{
		ID: "bitmap-granularity", Severity: Error, Title: "granularity of a bitmap out of range", Means: nothingOpens, QEMU: constraints,
	}
	kindBitmapExtra = &Kind{
		ID: "bitmap-extra-data", Severity: Error, Title: "bitmap with extra data", Means: nothingOpens,
		QEMU: `refuses to open, even to check: "Bitmap extra data is not supported"`,
	}
	kindBitmapName = &Kind{
		ID: "bitmap-name", Severity: Error, Title: "bitmap with a long name", Means: nothingOpens, QEMU: constraints,
	}
	kindBitmapNoName = &Kind{
		ID: "bitmap-no-name", Severity: Warning, Title: "bitmap without a name", Means: "Whoever makes backups cannot ask for it: it is of no use.",
		QEMU: "opens, and keeps the bitmap up to date",
	}
	kindBitmapNameTwice = &Kind{
		ID: "bitmap-name-twice", Severity: Error, Title: "two bitmaps with one name", Means: nothingOpens,
		QEMU: `refuses to open, even to check: "Bitmap already exists: …"`,
	}
	kindBitmapText = &Kind{
		ID: "bitmap-text", Severity: Note, Title: "name of a bitmap is no UTF-8 text",
		Means: "Tools may be unable to name the bitmap.", QEMU: "opens",
		NoFix: "The name that was meant is not known.",
	}
	kindBitmapPadding = &Kind{
		ID: "bitmap-padding", Severity: Note, Title: "padding of a bitmap not zero", Means: "Nothing is read there.", QEMU: "opens and takes no notice",
	}
	kindBitmapInUse = &Kind{
		ID: "bitmap-in-use", Severity: Warning, Title: "bitmap was not saved",
		Means: "The bitmap is inconsistent: what was written since it was last saved is missing in it. An incremental backup made with it would miss that data.",
		QEMU:  "opens, lists the bitmap as in-use, and lets it be removed only",
	}
	kindBitmapTableSize = &Kind{
		ID: "bitmap-table-size", Severity: Error, Title: "table of a bitmap of a wrong size",
		Means: "The bitmap does not cover the virtual disk. Nothing can use the image until this is right.",
		QEMU:  `refuses to open, even to check: "Could not read bitmap '…' from image: Invalid argument", or "Bitmap '…' doesn't satisfy the constraints"`,
	}
	kindBitmapTableOffset = &Kind{
		ID: "bitmap-table-offset", Severity: Error, Title: "table of a bitmap not at the start of a cluster",
		Means: nothingOpens, QEMU: constraints,
	}
	kindBitmapTableOutside = &Kind{
		ID: "bitmap-table-outside", Severity: Error, Title: "table of a bitmap past the end of the file",
		Means: "The bitmap reads as empty: an incremental backup made with it would miss everything.",
		QEMU:  `opens; its check says "ERROR: counting reference for region exceeding the end of the file by one cluster or more"`,
	}
	kindBitmapEntryReserved = &Kind{
		ID: "bitmap-entry-reserved", Severity: Error, Title: "reserved bits in the table of a bitmap", Means: nothingOpens, QEMU: tableUnread,
	}
	kindBitmapEntryUnaligned = &Kind{
		ID: "bitmap-entry-unaligned", Severity: Error, Title: "bitmap data not at the start of a cluster", Means: nothingOpens, QEMU: tableUnread,
	}
	kindBitmapEntryOutside = &Kind{
		ID: "bitmap-entry-outside", Severity: Error, Title: "bitmap data past the end of the file",
		Means: "That part of the bitmap reads as empty: an incremental backup made with it would miss data.",
		QEMU:  `opens; its check says "ERROR: counting reference for region exceeding the end of the file by one cluster or more"`,
	}
	kindBitmapTableUnread = &Kind{
		ID: "bitmap-table-unread", Severity: Warning, Title: "tables of bitmaps not looked at",
		Means: "The tables are larger together than they can be without overlapping; the rest of them was not read.",
		QEMU:  "reads them all",
		NoFix: "Look for the bitmaps that share a table.",
	}
)

const (
	constraints = `refuses to open, even to check: "Bitmap '…' doesn't satisfy the constraints"`
	tableUnread = `refuses to open, even to check: "Could not read bitmap_table table from image for bitmap '…': Invalid argument"`
)

// The LUKS header.
var (
	kindLUKSMagic = &Kind{
		ID: "luks-magic", Severity: Error, Title: "no LUKS header where the pointer says",
		Means: "Without the LUKS header the guest's data cannot be decrypted.",
		QEMU:  `refuses to open: "Volume is not in LUKS format"`,
		NoFix: noLostPointer,
	}
	kindLUKSHeader = &Kind{
		ID: "luks-header", Severity: Error, Title: "LUKS header damaged",
		Means: "The guest's data cannot be decrypted as long as the LUKS header is not as it was.",
		QEMU:  `refuses to open, with what was found: "LUKS version … is not supported", "Keyslot … is corrupted (stripes … != 4000)"`,
		NoFix: "What stood there is not known here. A backup of the LUKS header has it.",
	}
	kindLUKSLength = &Kind{
		ID: "luks-length", Severity: Error, Title: "LUKS keys past the LUKS header's length",
		Means: "The guest's data cannot be decrypted with these keys; a writer may take their clusters for free ones.",
		QEMU:  "refuses to open with a key that it cannot read",
		NoFix: "Whether the length or the place of the keys is wrong is not known.",
	}
)
