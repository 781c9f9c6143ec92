// Package check finds what is wrong with a qcow2 image, says what it means for
// the guest, and knows how to mend it.
//
// Run reads all metadata of an image, an editing session's view for one, and
// changes nothing. It returns findings, first causes told apart from what follows
// from them, and beside them the figures that qemu-img check would give, counted
// by QEMU's rules. Each finding has a Kind, a row of the table in kinds.go, and
// the fixes that are known for it. A fix is an editor.Transaction: nothing here
// writes.
package check
