package check

import (
	"fmt"

	"qedit/header"
	"qedit/image"
)

// Severity says how bad a finding is.
type Severity uint8

// The severities. An Error is or leads to lost or wrong data, or keeps the image
// from being opened; a Leak is space that nothing uses; a Warning is something
// that breaks no data but a rule, or hides damage; a Note is worth knowing.
const (
	Note Severity = iota
	Warning
	Leak
	Error
)

var severityNames = [...]string{Note: "note", Warning: "warning", Leak: "leak", Error: "error"}

// String returns the severity in a word.
func (s Severity) String() string { return severityNames[s] }

// Kind is a kind of finding: a row of the table of kinds.
type Kind struct {
	ID       string // stable: "refcount-low"
	Severity Severity
	Title    string // what is wrong, in a few words
	Means    string // what it means for the guest and its data
	QEMU     string // what QEMU does about it, its message quoted
	NoFix    string // why there is no fix, or not always; "" where there always is one
}

// Finding is a problem that a check found.
type Finding struct {
	Kind *Kind

	// Path is what expressions call the field or entry that is wrong:
	// "header.l1_size", "l1[3].l2[17]"; "" for what has no name, such as the
	// clusters of a leak. At and Length are its bytes in the file.
	Path   string
	At     header.HostOffset
	Length uint64 // bytes

	// Host and HostLength are the run of clusters that the finding is about, or
	// what the entry points at; of no length where there is none.
	Host       header.HostOffset
	HostLength uint64 // bytes
	Count      uint64 // of clusters or entries that are wrong alike, at least 1

	// Guest and GuestLength are the part of the virtual disk that is hit, of
	// no length where none is known; Snapshot says of which disk, image.Active
	// or the number of a snapshot.
	Guest       image.GuestOffset
	GuestLength uint64 // bytes
	Snapshot    int

	// With is the path of the pointer that has the clusters too, of findings about
	// clusters that two pointers have.
	With string

	Found string // what was found: "refcount is 0, there is 1 reference"
	Want  string // what was expected: "a refcount of 1"

	// Cause is the ID of the finding that this one follows from, "" for first
	// causes. It goes away when that is mended.
	Cause string

	// doubt says what a fix may destroy, as it may be no entry at all: where it points is
	// wrong, too. Then nothing is written there unasked. "" where there is no doubt.
	doubt string

	others string  // disks that share the table of the entry, beside that of Snapshot
	owners []owner // of clusters that two have: of Path and of With
	nth    uint64  // the first of these clusters among all that Path has

	// Fixes are the ways to mend it, the one that is taken by default first. Of
	// none the kind says why.
	Fixes []Fix
}

// Doubts about what a finding is about, as a fix has them under Loses.
const (
	doubtEntry = "what else these bytes may be: more than this is wrong with them"
	doubtBlock = "what else the refcount block may be: it does not look like one"
	doubtCount = "the refcount that is stored: through what is misread others are counted"
)

// ID names the finding among those of its image: the kind and the place, and
// where it is about a cluster of several which one, counted from 0: "+2". It stays
// the same as long as the finding does.
func (f *Finding) ID() string {
	switch {
	case f.Path != "" && f.nth > 0:
		return fmt.Sprintf("%s@%s+%d", f.Kind.ID, f.Path, f.nth)
	case f.Path != "":
		return f.Kind.ID + "@" + f.Path
	}
	return fmt.Sprintf("%s@0x%x", f.Kind.ID, uint64(f.At))
}

// String says where, what was found, and what was expected.
func (f *Finding) String() string {
	where := f.Path
	if where == "" {
		where = f.At.String()
	}
	text := where + ": " + f.Found
	if f.Want != "" {
		text += "; " + f.Want + " is expected"
	}
	return text
}
