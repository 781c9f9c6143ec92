package check

import (
	"strings"

	"qedit/header"
)

// ruleRow is what a check says of a rule of the header beyond what the header's
// own tables do.
type ruleRow struct {
	rule     string // ID of the header.Rule
	severity Severity
	title    string
	means    string
	noFix    string
	qemu     string // where the tables do not have it in one sentence; "": as they have it
}

// What many rows say.
const (
	nothingOpens  = "Nothing can use the image until this is right. The guest's data is not touched by it."
	noLostPointer = "The header does not say where the table really is. Its clusters are still in the file: look for them, and set the field."
	noLostL1      = "Where no L1 table is found among the first and the last clusters of the file that nothing points at, the header does not say where it is, or it is gone."
	noRebuild     = "The refcounts are counted anew from what is in use, as the fix of the refcounts; nothing in the header tells where the old table is."
	noOtherField  = "No other field says what the value was."
)

var ruleRows = []ruleRow{
	{"header.cut", Error, "file ends within the header", "What the header says past the end of the file counts as zeros.",
		"The image would have to grow, and what stood there is not known.", "takes the missing bytes for zeros"},
	{"magic.value", Error, "no qcow2 magic", "The file is no qcow2 image, or its first bytes were overwritten.", "", ""},
	{"version.known", Error, "unknown version", nothingOpens, "Version 2 and 3 lay the header out differently; no other field says which it was.", `refuses to open: "Unsupported qcow2 version …"`},

	{"backing_file_offset.in_cluster", Error, "backing file name outside of the first cluster", "The name of the backing file is lost, and with it all guest data that only the backing file has.",
		"The name lies nowhere that the header tells of.", `refuses to open: "Invalid backing file offset"; opens if it is the end of the cluster and the name is empty`},
	{"backing_file_offset.after_extensions", Error, "backing file name over the header", "The header extensions behind this offset are not read: backing format, bitmaps, encryption header, data file. The name of the backing file is made of bytes of the header.",
		"Which of the two is right, the offset or what it overlaps, is not known.", ""},
	{"backing_file.nul", Warning, "backing file name with a NUL byte", "QEMU and others may open different backing files.", "The name that was meant is not known.", ""},
	{"backing_file_offset.raw_external", Warning, "backing file beside raw external data", "Who reads the data file as a raw image does not see what the backing file has.", "", ""},
	{"backing_file_size.max", Error, "backing file name too long", nothingOpens, "The length that was meant is not known.", ""},
	{"backing_file_size.in_cluster", Error, "backing file name past the first cluster", nothingOpens, "The length that was meant is not known.", ""},

	{"cluster_bits.min", Error, "cluster size too small", "Nothing behind the header can be found without the cluster size.", noOtherField, `refuses to open: "Unsupported cluster size: 2^…"`},
	{"cluster_bits.max", Error, "cluster size too large", "Nothing behind the header can be found without the cluster size.", noOtherField, `refuses to open: "Unsupported cluster size: 2^…"`},
	{"cluster_bits.extended_l2", Error, "clusters too small for extended L2 entries", nothingOpens, "Whether the cluster size or extended_l2 is wrong is not known; with the wrong one every L2 table is read wrong.", `refuses to open: "Unsupported subcluster size: …"`},
	{"size.max", Error, "virtual disk too large", nothingOpens, noOtherField, ""},
	{"size.sectors", Warning, "virtual size not a multiple of 512", "The guest does not see the last bytes of the disk.", "", ""},

	{"crypt_method.known", Error, "unknown encryption method", nothingOpens, noOtherField, `refuses to open: "Unsupported encryption method …"`},
	{"crypt_method.luks_pointer", Error, "LUKS encryption without a pointer to the LUKS header", "Without the LUKS header the guest's data cannot be decrypted.",
		"Where the LUKS header lies is not known; it starts with LUKS\\xba\\xbe at the start of a cluster.", `refuses to open: "Missing CRYPTO header for crypt method …"; its info command crashes`},

	{"l1_size.min", Error, "L1 table too small for the virtual disk", "The end of the virtual disk is not mapped.", "Where the entries behind the table cannot be L1 entries, the table does not go on there.", ""},
	{"l1_size.max", Error, "L1 table too large", nothingOpens, "Where the virtual disk needs more entries than QEMU allows, there is no value that helps.", ""},
	{"l1_table_offset.aligned", Error, "L1 table not at the start of a cluster", "The map from the virtual disk to the file is not found: no guest data can be read.", noLostL1, ""},
	{"l1_table_offset.range", Error, "L1 table past what a file can have", "The map from the virtual disk to the file is not found: no guest data can be read.", noLostL1, ""},
	{"l1_table_offset.header", Error, "L1 table over the header", "Bytes of the header are taken for the map from the virtual disk to the file: the guest reads wrong data.", noLostL1, ""},
	{"refcount_table_offset.aligned", Error, "refcount table not at the start of a cluster", "Guest data is not touched; a writer cannot tell which clusters are free.", noRebuild, ""},
	{"refcount_table_offset.range", Error, "refcount table past what a file can have", "Guest data is not touched; a writer cannot tell which clusters are free.", noRebuild, ""},
	{"refcount_table_offset.header", Error, "refcount table over the header", "A writer takes clusters in use for free ones, and overwrites guest data.", noRebuild, ""},
	{"refcount_table_clusters.min", Error, "no refcount table", "Guest data is not touched; a writer cannot tell which clusters are free.", "Where no table is found at refcount_table_offset, the refcounts have to be built anew.", ""},
	{"refcount_table_clusters.max", Error, "refcount table too large", nothingOpens, "Where no table is found at refcount_table_offset, the refcounts have to be built anew.", ""},

	{"nb_snapshots.max", Error, "too many snapshots", nothingOpens, "", ""},
	{"nb_snapshots.external_data", Error, "snapshots in an image with an external data file", "A snapshot does not keep the data file as it was: what it shows is what was written since.",
		"Which of the two is wrong, the snapshots or external_data_file, is not known.", `opens; its check says "ERROR … snapshots in image with data file"`},
	{"snapshots_offset.aligned", Error, "snapshot table not at the start of a cluster", nothingOpens, noLostPointer, ""},
	{"snapshots_offset.range", Error, "snapshot table past what a file can have", nothingOpens, noLostPointer, ""},
	{"snapshots_offset.header", Error, "snapshot table over the header", "The snapshots are not found. A repair by QEMU erases what only they use.", noLostPointer, ""},

	{"incompatible_features.known", Error, "unknown incompatible feature", "The image may have to be read in a way that is not known here: nothing else that is found in it is certain.", "", `refuses to open: "Unsupported qcow2 feature(s): ..."`},
	{"incompatible_features.compression_type", Error, "compression type and its feature bit contradict each other", nothingOpens, "", `refuses to open: "qcow2: Compression type incompatible feature bit must be set", or "must not be set"`},
	{"incompatible_features.data_file", Warning, "external data file without a name", "The guest's data is in a file whose name is not known.", "The name is not known; set data_file, or name the file on QEMU's command line.", ""},
	{"autoclear_features.bitmaps", Warning, "bitmaps_valid without bitmaps", "Nothing is lost: there are no bitmaps.", "", ""},
	{"autoclear_features.raw_external", Error, "raw external data without an external data file", nothingOpens, "", ""},

	{"refcount_order.max", Error, "refcounts wider than 64 bits", nothingOpens, "", ""},
	{"header_length.min", Error, "header_length too small", "The header extensions are not found: backing format, bitmaps, encryption header, data file.", "There may be no length with which the extensions can be read.", ""},
	{"header_length.max", Error, "header_length past the first cluster", "The header extensions are not found: backing format, bitmaps, encryption header, data file.", "There may be no length with which the extensions can be read.", ""},
	{"header_length.aligned", Warning, "header_length not a multiple of 8", "If the length is wrong, the header extensions are read wrong.", "There may be no better length with which the extensions can be read.", ""},
	{"compression_type.known", Error, "unknown compression type", nothingOpens, "", `refuses to open: "qcow2: unknown compression type: …"`},
	{"padding.zero", Note, "padding of the header not zero", "Nothing, unless a later version of the format has a field there.", "", ""},

	{"extensions.end_length", Warning, "end of the extensions with a length", "Nothing; what the length may stand for is not known.", "", ""},
	{"extensions.end", Error, "extension past the end of the extensions", "What follows in the header cannot be read.", "", `refuses to open: "Header extension too large"`},
	{"extensions.max", Note, "very many extensions", "No more are read here.", "Whether they are meant is not known.", "has no such limit"},
	{"extensions.padding", Warning, "extension without its padding", "Nothing as long as no extension follows.", "The area would have to be laid out anew.", "opens and takes no notice"},
	{"extension.duplicate", Warning, "extension twice", "Programs differ in which one they take.", "", ""},

	{"backing_format.max", Error, "name of the backing format too long", nothingOpens, "", `refuses to open: "ERROR: ext_backing_format: len=… too large (>=16)"`},
	{"feature_names.type", Note, "feature name of no mask", "Nothing: the names are for messages only.", "", ""},
	{"feature_names.bit", Note, "feature name of no bit", "Nothing: the names are for messages only.", "", ""},
	{"feature_names.length", Note, "feature names of odd length", "Nothing: the names are for messages only.", "", ""},
	{"bitmaps.min", Error, "bitmaps extension without bitmaps", nothingOpens, "", ""},
	{"bitmaps.max", Error, "too many bitmaps", nothingOpens, "", `refuses to open while bitmaps_valid is set: "bitmaps_ext: Image has … bitmaps, exceeding the QEMU supported maximum of 65535"`},
	{"bitmaps.reserved", Error, "reserved field of the bitmaps extension not zero", nothingOpens, "", ""},
	{"bitmaps.directory_min", Error, "bitmap directory without a size", nothingOpens, "Where no entry can be read at the offset, the size cannot be told.", ""},
	{"bitmaps.directory_max", Error, "bitmap directory too large", nothingOpens, "", `refuses to open while bitmaps_valid is set: "bitmaps_ext: bitmap directory size (…) exceeds the maximum supported size (67107840)"`},
	{"bitmaps.directory_aligned", Error, "bitmap directory not at the start of a cluster", nothingOpens, "", ""},
	{"bitmaps.directory_range", Error, "bitmap directory over the header, or past what a file can have", nothingOpens, "", ""},
	{"bitmaps.length", Error, "bitmaps extension of a wrong length", nothingOpens, "", ""},
	{"bitmaps.version", Warning, "bitmaps in a version 2 image", "The bitmaps do not count: version 2 has no flag that says they are right.", "", ""},
	{"luks.aligned", Error, "LUKS header not at the start of a cluster", "Without the LUKS header the guest's data cannot be decrypted.", noLostPointer, `refuses to open: "Encryption header offset '…' is not a multiple of cluster size '…'"`},
	{"luks.range", Error, "LUKS header over the header, or past what a file can have", "Without the LUKS header the guest's data cannot be decrypted.", noLostPointer, ""},
	{"luks.length", Error, "LUKS pointer of a wrong length", "Without the LUKS header the guest's data cannot be decrypted.", noLostPointer, `refuses to open: "CRYPTO header extension size …, but expected size 16"`},
	{"luks.crypt_method", Error, "LUKS pointer without LUKS encryption", "If the guest's data is encrypted, it is read without being decrypted.", "", ""},
	{"data_file.bit", Warning, "data file name without external_data_file", "If the guest's data lies in the data file, it is looked for in the wrong place.", "", ""},
}

// headerKinds are the kinds of the rules of the header, in the order of the rows.
var headerKinds = kindsOfRules()

// kindOfRule finds the kind by the ID of the rule.
var kindOfRule = func() map[string]*Kind {
	m := make(map[string]*Kind, len(ruleRows))
	for i, row := range ruleRows {
		m[row.rule] = headerKinds[i]
	}
	return m
}()

// kindOf returns the kind of a violation.
func kindOf(v header.Violation) *Kind {
	if v.Rule == "extensions.end_length" && v.Effect == header.Refuses {
		return kindEndTooLong
	}
	return kindOfRule[v.Rule]
}

func kindsOfRules() []*Kind {
	says := map[string]string{}
	note := func(rules []header.Rule) {
		for _, r := range rules {
			says[r.ID] = r.QEMU
		}
	}
	for _, f := range header.Fields() {
		note(f.Rules)
	}
	for _, k := range header.ExtensionKinds() {
		note(k.Rules)
		for _, f := range k.Fields {
			note(f.Rules)
		}
	}
	says["extensions.end_length"] = "opens and takes no notice"
	says["extension.duplicate"] = "opens; of two backing formats or feature tables the last one counts"
	kinds := make([]*Kind, len(ruleRows))
	for i, row := range ruleRows {
		k := &Kind{ID: ruleKindID(row.rule), Severity: row.severity, Title: row.title, Means: row.means, QEMU: row.qemu, NoFix: row.noFix}
		if k.QEMU == "" {
			k.QEMU = says[row.rule]
		}
		kinds[i] = k
	}
	return kinds
}

// ruleKindID returns the ID of the kind of a rule: header-l1-size-min.
func ruleKindID(rule string) string {
	id := strings.NewReplacer(".", "-", "_", "-").Replace(rule)
	owner, _, _ := strings.Cut(rule, ".")
	switch owner {
	case "header", "extension", "extensions":
		return id
	case "backing_format", "feature_names", "bitmaps", "luks", "data_file":
		return "extension-" + id
	}
	return "header-" + id
}
