// Package check finds what is wrong with a qcow2 image, says what it means for
// the guest, and knows how to mend it.
//
// Run reads all metadata of an image, an editing session's view for one, and
// changes nothing. It returns findings, first causes told apart from what follows
// from them, and beside them the figures that qemu-img check would give, counted
// by QEMU's rules. Each finding has a Kind, a row of the table in kinds.go, and
// the fixes that are known for it. A fix is an editor.Transaction: nothing here
// writes.
//
// A check after an edit counts and compares everything, as the first did: what a
// refcount or an entry means hangs on all others. With a Cache it reads only what
// edits touch. Of 1 TiB with all metadata a flag, a refcount, an L2 or an L1 entry
// is so checked in 12 to 46 ms, and in 84 to 485 ms without (2 cores, with other work
// on them); what is left goes with the number of L2 tables, and of the runs of
// entries in them. Read again each time are the header area, L1 tables, the refcount
// table, snapshot table and bitmaps, and L2 tables that are not kept: those with
// zeros, compressed data or subclusters, those of many short runs, and such of less
// than 4 KiB. All is read again where an edit changes the geometry or the length of
// the file. What is searched for, as lost tables, and clusters that many snapshots
// or pointers have, take as long as before.
package check
