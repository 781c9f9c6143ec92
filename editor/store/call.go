package store

import "fmt"

// Op is a kind of operation on an image or on a folder.
type Op string

// The operations that can fail. Those of a folder have a Name in their Call;
// reading, writing, syncing and closing are done to both.
const (
	OpRead     Op = "read"
	OpSize     Op = "size"
	OpStat     Op = "stat" // identity and stamp
	OpOpen     Op = "open for writing"
	OpWrite    Op = "write"
	OpTruncate Op = "truncate"
	OpSync     Op = "sync"
	OpClose    Op = "close"

	OpNames        Op = "list names"
	OpCreate       Op = "create"
	OpCreateLocked Op = "create and lock"
	OpRename       Op = "rename"
	OpRemove       Op = "remove"
	OpLock         Op = "lock"
	OpSyncDir      Op = "sync the folder"
)

// Call is one operation on a Faulty image or on a Disk.
type Call struct {
	Op     Op
	Name   string // of a file in the folder; empty for the image
	To     string // the new name in a rename
	Offset int64  // of a read or write, bytes
	Length int    // of a read or write, bytes; a truncation has its length in Offset
}

// String says what was done to what.
func (c Call) String() string {
	s := string(c.Op)
	switch {
	case c.Op == OpNames || c.Op == OpSyncDir:
		return s
	case c.Name == "":
		s += " the image"
	default:
		s += " " + c.Name
	}
	if c.To != "" {
		s += " to " + c.To
	}
	if c.Op == OpRead || c.Op == OpWrite {
		s += fmt.Sprintf(" at %#x, %d bytes", c.Offset, c.Length)
	}
	if c.Op == OpTruncate {
		s += fmt.Sprintf(" to %#x bytes", c.Offset)
	}
	return s
}
