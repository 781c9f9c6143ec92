// Package check finds what is wrong with a qcow2 image, says what it means for
// the guest, and knows how to mend it.
//
// Run reads all metadata of an image, an editing session's view for one, and
// changes nothing. It returns findings, first causes told apart from what follows
// from them, and beside them the figures that qemu-img check would give, counted
// by QEMU's rules. Each finding has a Kind, a row of the tables in kinds_*.go, and
// the fixes that are known for it. A fix is an editor.Transaction: nothing here
// writes.
//
// # How a check goes
//
// run.go has the order. First what needs no counting: header.go, extensions.go,
// snapshots.go, bitmaps.go, luks.go and structural.go find what is wrong there.
// Then the stored refcounts are loaded (stored.go), and a pass (pass.go) walks over
// all L1 and L2 tables (walk.go) and counts what they refer to (tally.go), half a
// byte a cluster (pairs.go). The first pass is strict, it goes wherever QEMU goes:
// figures.go and refusal.go make QEMU's figures of it. Where QEMU was led astray a
// second pass counts what can be believed, and not what nonsense.go takes for no
// table.
//
// Counts say only that something is wrong. Where they do, locate.go and locate_l2.go
// go over the tables once more to say where, refcounts.go and owners.go what it is, and
// nonsense.go from what it follows; lost.go and lost_refcounts.go look for tables
// that wrong pointers may have meant.
//
// finding_fixes.go has which fixes a finding in tables gets; the others get them
// where they are found. A fix does its work on a mender (mender.go), with what
// entry_mend.go and refcount_mend.go can do there and clusters from allocate.go;
// census.go counts references for it. mend.go does several in order as one
// transaction, and repair.go checks and mends until nothing is left to do.
//
// # A check after an edit
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
