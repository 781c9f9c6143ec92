package check

// tableKinds are the kinds of what is found in tables, and by counting
// references.
var tableKinds = []*Kind{
	kindRefcountLow, kindRefcountZero, kindRefcountOverflow, kindLeak,
	kindTableNonsense, kindBlockReserved, kindBlockUnaligned, kindBlockOutside,
	kindL1Reserved, kindL1Unaligned, kindL1Outside, kindL1Cut, kindL1Flag, kindL1Copied, kindL1Erased, kindL1Nonsense, kindL2Nonsense,
	kindL2Reserved, kindL2Unaligned, kindL2Outside, kindL2Cut, kindL2Copied, kindL2Erased, kindSnapshotCopied,
	kindZeroV2, kindSubclusters, kindSubclustersAlone, kindDataFileOffset,
	kindCompressedCopied, kindCompressedReserved, kindCompressedOutside, kindCompressedEnd, kindCompressedBitmap, kindCompressedDataFile,
	kindOverlapTables, kindOverlapData, kindL2Twice, kindDataTwice,
	kindUnreadable, kindTail,
}

const neverMended = "; its repair never mends it"

// Refcounts.
var (
	kindRefcountLow = &Kind{
		ID: "refcount-low", Severity: Error, Title: "refcount too low",
		Means: "The cluster is freed, and given to something else, while it is still in use: guest data or tables are then overwritten.",
		QEMU:  `calls it an error: "ERROR cluster … refcount=… reference=…"; its repair raises the refcount`,
	}
	kindRefcountZero = &Kind{
		ID: "refcount-zero", Severity: Error, Title: "cluster in use counts as free",
		Means: "The next write may take the cluster for something else, and overwrites what is there.",
		QEMU:  `calls it an error: "ERROR cluster … refcount=0 reference=…"; its repair of leaks fails, that of all builds all refcounts anew`,
	}
	kindRefcountOverflow = &Kind{
		ID: "refcount-overflow", Severity: Error, Title: "more references than a refcount can say",
		Means: "The cluster may be freed, and overwritten, while it is still in use.",
		QEMU:  `calls it an error: "ERROR: overflow cluster offset=…"` + neverMended,
		NoFix: "Version 2 has refcounts of 16 bits only, and these cannot say it; deleting snapshots makes the references fewer.",
	}
	kindLeak = &Kind{
		ID: "leak", Severity: Leak, Title: "refcount too high",
		Means: "Nothing that is known points at the cluster so often. It is lost space; or a pointer to it was damaged, and it is still needed.",
		QEMU:  `calls it a leak: "Leaked cluster … refcount=… reference=…"; its repair lowers the refcount, and erases the cluster when that is 0`,
		NoFix: "It is freed when a person asks for that, and nothing else is wrong with the image: any damaged pointer may still mean it. Notes that say nothing of clusters are no hindrance; those of unknown features and of bytes behind or between the parts of the header are.",
	}
	kindTableNonsense = &Kind{
		ID: "refcount-table-nonsense", Severity: Error, Title: "no refcount table where one should be",
		Means: "The pointer is wrong, or the table was overwritten. Guest data is not touched; a writer cannot tell which clusters are free.",
		QEMU:  "reads what is there as a refcount table, which brings many errors; its repair builds all refcounts anew, and erases what it believes leaked",
	}
	kindBlockReserved = &Kind{
		ID: "refcount-table-reserved", Severity: Error, Title: "reserved bits in the refcount table",
		Means: "Guest data is not touched. The refcounts of a part of the file may not be what is meant.",
		QEMU:  `calls it an error: "ERROR refcount table entry … has reserved bits set"; its repair builds all refcounts anew`,
	}
	kindBlockUnaligned = &Kind{
		ID: "refcount-block-unaligned", Severity: Error, Title: "refcount block not at the start of a cluster",
		Means: "The refcounts of a part of the file cannot be read: nothing may be written there.",
		QEMU:  `calls it an error: "ERROR refcount block … is not cluster aligned; refcount table entry corrupted", and "Can't get refcount for cluster …: Input/output error" of each cluster`,
	}
	kindBlockOutside = &Kind{
		ID: "refcount-block-outside", Severity: Error, Title: "refcount block past the end of the file",
		Means: "All clusters of a part of the file count as free: the next write may overwrite what is there.",
		QEMU:  `calls it an error: "ERROR refcount block … is outside image"; its repair makes the file longer`,
	}
)

// L1 entries.
var (
	kindL1Reserved = &Kind{
		ID: "l1-reserved", Severity: Error, Title: "reserved bits of an L1 entry",
		Means: "The entry was damaged. The L2 table is found nevertheless, if the offset is right.",
		QEMU:  `calls it an error: "ERROR found L1 entry with reserved bits set: …"` + neverMended,
	}
	kindL1Unaligned = &Kind{
		ID: "l1-unaligned", Severity: Error, Title: "L2 table not at the start of a cluster",
		Means: "Guest data of this range cannot be read or written. The table is most likely still in the file.",
		QEMU:  `calls it an error: "ERROR l2_offset=…: Table is not cluster aligned; L1 entry corrupted"` + neverMended + `. It reads the table at the wrong offset, which brings many errors that are none`,
	}
	kindL1Outside = &Kind{
		ID: "l1-outside", Severity: Error, Title: "L2 table past the end of the file",
		Means: "Guest data of this range is lost with the table, or the pointer is wrong: then the table is still in the file.",
		QEMU:  `calls it an error: "ERROR: counting reference for region exceeding the end of the file by one cluster or more"` + neverMended + `. It reads zeros for the table`,
	}
	kindL1Cut = &Kind{
		ID: "l1-cut", Severity: Error, Title: "L2 table cut off by the end of the file",
		Means: "The end of the table is lost: guest data of that range reads as zeros.",
		QEMU:  "takes no notice, and reads zeros for what is missing",
		NoFix: "What stood there is not known.",
	}
	kindL1Nonsense = &Kind{
		ID: "l1-nonsense", Severity: Error, Title: "no L1 table where one should be",
		Means: "The pointer is wrong, or the table was overwritten: none of the guest's data of this disk is found. The table is most likely still in the file.",
		QEMU:  "reads what is there as an L1 table, which brings many errors that are none" + neverMended,
		NoFix: "What is there is no table, and nothing in it is mended. " + noLostL1,
	}
	kindL2Nonsense = &Kind{
		ID: "l2-nonsense", Severity: Error, Title: "no L2 table where one should be",
		Means: "The pointer is wrong, or the table was overwritten: guest data of this range is not found. What is there may be guest data, and nothing in it is mended.",
		QEMU:  "reads what is there as an L2 table, which brings many errors that are none" + neverMended + "; a guest that writes there destroys what it is",
	}
	kindL1Flag = &Kind{
		ID: "l1-flag-alone", Severity: Warning, Title: "flag in an L1 entry without a table",
		Means: "The guest reads zeros or the backing file there, as if the entry were zero. The offset may have been lost.",
		QEMU:  "reads it as no table; but its check takes the header for an L2 table, which brings errors that are none",
	}
	kindL1Copied = &Kind{
		ID: "l1-copied", Severity: Error, Title: "copied flag of an L1 entry is wrong",
		Means: "Where it is wrongly on, a write changes the table for snapshots too; where it is wrongly off, the table is copied without need.",
		QEMU:  `calls it an error: "ERROR OFLAG_COPIED L2 cluster: l1_index=… l1_entry=… refcount=…"; its repair sets the flag by the refcount`,
	}
	kindL1Erased = &Kind{
		ID: "l1-erased", Severity: Warning, Title: "L1 table is empty, and clusters are leaked",
		Means: "The table looks erased: guest data that the leaked clusters hold cannot be reached.",
		QEMU:  "takes no notice; its repair erases the leaked clusters",
		NoFix: "If it is the table that was erased, what stood there is not known; L2 tables may be among the leaked clusters. " + noLostL1,
	}
	kindL2Erased = &Kind{
		ID: "l2-erased", Severity: Warning, Title: "L2 table is empty, and clusters are leaked",
		Means: "The table may have been erased: guest data that the leaked clusters hold cannot be reached then.",
		QEMU:  "takes no notice; its repair erases the leaked clusters",
		NoFix: "What stood there is not known.",
	}
)

// L2 entries.
var (
	kindL2Reserved = &Kind{
		ID: "l2-reserved", Severity: Error, Title: "reserved bits of an L2 entry",
		Means: "The entry was damaged. The cluster is found nevertheless, if the offset is right.",
		QEMU:  `calls it an error: "ERROR found l2 entry with reserved bits set: …"` + neverMended + `; bit 0 of an extended entry it does not look at`,
	}
	kindL2Unaligned = &Kind{
		ID: "l2-unaligned", Severity: Error, Title: "data cluster not at the start of a cluster",
		Means: "The guest cannot read or write this cluster: it gets an I/O error. Its data is most likely still in the file.",
		QEMU:  `calls it an error: "ERROR offset=…: Data cluster is not properly aligned; L2 entry corrupted."` + neverMended + `, and counts both clusters that the offset touches; a cluster that reads as zeros it makes one without an offset`,
	}
	kindL2Outside = &Kind{
		ID: "l2-outside", Severity: Error, Title: "data cluster past the end of the file",
		Means: "The guest reads zeros. Its data is lost if the file was cut off; else the pointer is wrong.",
		QEMU:  `calls it an error: "ERROR: counting reference for region exceeding the end of the file by one cluster or more: offset … size …"` + neverMended,
	}
	kindL2Cut = &Kind{
		ID: "l2-cut", Severity: Warning, Title: "data cluster cut off by the end of the file",
		Means: "The guest reads zeros for the end of this cluster. If the file was cut off, the data is lost.",
		QEMU:  "takes no notice: it reports less than a cluster not at all",
		NoFix: "What stood there is not known.",
	}
	kindL2Copied = &Kind{
		ID: "l2-copied", Severity: Error, Title: "copied flag of an L2 entry is wrong",
		Means: "Where it is wrongly on, a write changes the data for snapshots too; where it is wrongly off, the cluster is copied without need.",
		QEMU:  `calls it an error: "ERROR OFLAG_COPIED data cluster: l2_entry=… refcount=…"; its repair sets the flag by the refcount`,
	}
	kindSnapshotCopied = &Kind{
		ID: "snapshot-copied", Severity: Note, Title: "copied flag in a table of a snapshot",
		Means: "Nothing: the flags are set anew when the snapshot is applied.",
		QEMU:  "takes no notice: it checks the flags of the active disk only",
		NoFix: "The flag does no harm there. In the L1 tables of snapshots QEMU itself leaves it on, and nothing is told of that.",
	}
	kindZeroV2 = &Kind{
		ID: "zero-in-version-2", Severity: Error, Title: "zero flag in an image of version 2",
		Means: "The guest gets an I/O error when it reads this cluster.",
		QEMU:  `says "No errors were found"; fails to read: "Zero cluster entry found in pre-v3 image (L2 offset: …, L2 index: …)"`,
	}
	kindSubclusters = &Kind{
		ID: "subclusters-clash", Severity: Error, Title: "subcluster allocated and zero at once",
		Means: "The guest gets an I/O error when it reads the subcluster.",
		QEMU:  `calls it an error: "ERROR offset=…: Allocated cluster has corrupted subcluster allocation bitmap"` + neverMended,
	}
	kindSubclustersAlone = &Kind{
		ID: "subclusters-without-cluster", Severity: Error, Title: "subcluster allocated without a cluster",
		Means: "The guest gets an I/O error when it reads the subcluster.",
		QEMU:  `calls it an error: "ERROR: Unallocated cluster has non-zero subcluster allocation map"` + neverMended,
	}
	kindDataFileOffset = &Kind{
		ID: "data-file-offset", Severity: Error, Title: "offset in the data file is not the guest offset",
		Means: "The guest gets an I/O error. Its data is most likely where it must be, in the data file at the guest offset.",
		QEMU:  `takes no notice; fails to read: "External data file host cluster offset … does not match guest cluster offset: …, L2 index: …)"`,
	}
)

// Compressed clusters.
var (
	kindCompressedCopied = &Kind{
		ID: "compressed-copied", Severity: Error, Title: "copied flag of a compressed cluster",
		Means: "The cluster reads as it should. The flag must be off: compressed data is never written in place.",
		QEMU:  `calls it an error: "ERROR: coffset=…: copied flag must never be set for compressed clusters"` + neverMended,
	}
	kindCompressedReserved = &Kind{
		ID: "compressed-reserved", Severity: Error, Title: "offset of compressed data has too many bits",
		Means: "The entry was damaged: no file reaches that far.",
		QEMU:  `takes the bits for a part of the offset: "ERROR: counting reference for region exceeding the end of the file by one cluster or more"` + neverMended,
	}
	kindCompressedOutside = &Kind{
		ID: "compressed-outside", Severity: Error, Title: "compressed data past the end of the file",
		Means: "The guest gets an I/O error. Its data is lost if the file was cut off; else the pointer is wrong.",
		QEMU:  `calls it an error if it is past the end by a cluster or more: "ERROR: counting reference for region exceeding the end of the file by one cluster or more"` + neverMended,
	}
	kindCompressedEnd = &Kind{
		ID: "compressed-end", Severity: Error, Title: "compressed data reaches past the end of the file",
		Means: "Either the length is wrong, and the data can be read; or the file was cut off, and the guest gets an I/O error.",
		QEMU:  "takes no notice of less than a cluster",
	}
	kindCompressedBitmap = &Kind{
		ID: "compressed-subclusters", Severity: Error, Title: "subclusters of a compressed cluster",
		Means: "The entry was damaged: a compressed cluster has no subclusters.",
		QEMU:  `calls it an error: "ERROR compressed cluster … with non-zero subcluster allocation bitmap, entry=…"` + neverMended,
	}
	kindCompressedDataFile = &Kind{
		ID: "compressed-data-file", Severity: Error, Title: "compressed cluster with an external data file",
		Means: "The entry was damaged: a data file has no compressed clusters.",
		QEMU:  `calls it an error: "ERROR compressed cluster … with data file, entry=…"` + neverMended,
	}
)

// Clusters with several owners.
var (
	kindOverlapTables = &Kind{
		ID: "overlap-tables", Severity: Error, Title: "cluster of two tables",
		Means: "The same bytes are read as two different tables: one of the pointers is wrong, and what it led to is lost until that is known.",
		QEMU:  `counts references only: a repair makes the refcount 2 and finds no error; writes end with "Preventing invalid write on metadata"`,
	}
	kindOverlapData = &Kind{
		ID: "overlap-data", Severity: Error, Title: "guest data over a table",
		Means: "The guest reads a table as its data, and destroys it when it writes there.",
		QEMU:  `counts references only: a repair makes the refcount 2 and finds no error; writes end with "Preventing invalid write on metadata"`,
	}
	kindL2Twice = &Kind{
		ID: "l2-twice", Severity: Error, Title: "L2 table at two places of the disk",
		Means: "Two ranges of the virtual disk have the same data: at least one of them is wrong.",
		QEMU:  "counts references only: a repair makes the refcounts 2 and finds no error",
	}
	kindDataTwice = &Kind{
		ID: "data-twice", Severity: Error, Title: "cluster at two places of the disk",
		Means: "Two clusters of the virtual disk have the same data: at least one of them is wrong, and a write to one changes the other.",
		QEMU:  "counts references only: a repair makes the refcount 2 and finds no error",
	}
)

// The file.
var (
	kindUnreadable = &Kind{
		ID: "unreadable", Severity: Error, Title: "part of a table cannot be read",
		Means: "The medium may be failing: copy the image before anything else. What lies there was taken for zeros.",
		QEMU:  `fails: "Check failed: Input/output error"`,
		NoFix: "It is not the image that is wrong.",
	}
	kindTail = &Kind{
		ID: "tail", Severity: Note, Title: "file goes on behind the last cluster in use",
		Means: "Nothing in the image points there. It may be what is left of something that a damaged pointer led to.",
		QEMU:  "takes no notice",
		NoFix: "It does no harm, and is never cut off here.",
	}
)
