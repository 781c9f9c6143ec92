package tui

// lessons are the images of the demo, in rising order; demo/README.md says how
// each was made. The last step of a tour says what was learnt.
var lessons = []lesson{
	{
		file: "1-flag.qcow2", title: "The flag that stayed",
		about: "QEMU does not write to it any more. Is anything wrong at all?",
		steps: []tourStep{
			{"QEMU opens this image for reading only: it met a fault once, and set the corrupt flag. The cursor is on the flag, and the inspector says what it means. Read it; then {next step of the tour} goes on.", nil},
			{"The fault may still be there. So look before you clear the flag: {check the image} checks all tables of the image. Press it.", checked},
			{"Nothing is wrong but the flag: somebody mended the rest. {toggle flag or page down} clears it. That is an edit: all panes show it, the image is as it was, and {~undo} takes it back.", func(m *Model) bool { return !m.area().Header.Corrupt() }},
			{"The check has followed the edit. {review and save} lists what a save would write: one flag. {'enter} there saves, {~cancel} goes back.", saved},
			{"Saved, and read back. {edits} lists what was done. Even what is saved can be taken back: now by {~undo}, days later by the command qedit undo.", func(m *Model) bool { return m.focus == PaneEdits }},
			{"Learnt: the flag says that somebody met a fault, not that it is still there. Check first, then clear; nothing is written before you save. {~next step of the tour} offers the next image.", nil},
		},
	},
	{
		file: "2-count.qcow2", title: "The count that is one too high",
		about: "Nothing opens it, not even qemu-img check. One byte is wrong.",
		steps: []tourStep{
			{"QEMU refuses to open this image: \"Less bitmaps found than specified in header extension\". Where nothing opens, no repair runs. Here it opens: {check the image} checks it.", checked},
			{"One problem: bitmaps say what to back up, and their directory cannot be read. {next problem} goes there.", at(0x1a000, 0x1a020)},
			{"The text column shows the only entry, \"nightly\"; behind it the directory ends. Who expects more? {who points here} lists who points here.", dialogOpen[*referencesDialog]},
			{"The bitmaps extension in the header does. {'enter} goes there.", at(0x210, 0x218)},
			{"This field says where the directory is, and that is right. The number of bitmaps stands three fields before: {'3}{previous field} goes there.", at(0x200, 0x204)},
			{"It says 2. {edit} edits the field: {'backspace} and {'1}, then {'enter}. What a rule forbids would be refused here, with the reason.", mended},
			{"Nothing is wrong any more, and the bitmap is kept. {review and save}, then {'enter}, saves.", saved},
			{"Learnt: an image that nothing opens may lack a single byte. Follow the pointers, edit the field, and the check tells at once whether it was that. {~next step of the tour} offers the next image.", nil},
		},
	},
	{
		file: "3-power.qcow2", title: "The power cut",
		about: "The host went down while it wrote. Do not just clear the flag.",
		steps: []tourStep{
			{"The host went down while the guest wrote: the dirty flag is set. Scripts that clear it are easy to find; image 5 shows what becomes of that. {check the image} says what is behind the flag.", checked},
			{"An error, too: {next problem} goes to it.", at(0x12000, 0x14000)},
			{"These are the guest's photos, but their four clusters count as free: the refcounts never came to the disk. With the flag off, the next write takes them. {next step of the tour} goes on.", nil},
			{"qemu-img check -r leaks fails on this, and clears the flag all the same. {fix} raises the refcounts of all four.", gone("refcount-zero")},
			{"Now the refcounts are right, and the flag can go: {next problem} goes to it, {fix} clears it. ({~mend the image} does all that needs no choice, in the right order.)", mended},
			{"Two edits. {review and save} lists them, byte by byte, with what they mend; {'enter} saves.", saved},
			{"Learnt: the dirty flag is a warning about the refcounts. Mend these first, then clear it. {~edits} lists what was done, {~undo} takes it back. {~next step of the tour} offers the next image.", nil},
		},
	},
	{
		file: "4-lost.qcow2", title: "The bit that hides a disk",
		about: "The guest reads zeros, and the usual repair would erase its data.",
		steps: []tourStep{
			{"The guest found an empty disk this morning. {guest view} shows the disk as the guest reads it.", func(m *Model) bool { return m.guest.on }},
			{"Broken from the start, which QEMU hides: it reads zeros, without a word. {guest view} goes back to the file, {check the image} checks it.", func(m *Model) bool { return !m.guest.on && checked(m) }},
			{"{next problem} goes to the first problem.", at(0x6000, 0x6008)},
			{"The only L1 entry leads to 0x408000, far past the end of the file: all that lies behind it is lost to the guest. {next problem} goes to what follows from that.", at(0x8000, 0xa000)},
			{"Nine clusters look leaked. qemu-img check calls that \"no harm to data\", and its repair would erase them. But look: this one is a table of pointers. {next step of the tour} goes on.", nil},
			{"It is the lost L2 table: 0x8000 and 0x408000 differ in one bit, in the sixth byte of the entry. {go to} {'0x6005} {'enter} goes to that byte.", at(0x6005, 0x6006)},
			{"{replace a byte} types over one byte: {'0}{'0} makes it 00. With that the entry points at 0x8000.", mended},
			{"Nothing is wrong, nothing is leaked. {guest view} shows the disk again.", func(m *Model) bool { return m.guest.on }},
			{"The letters are back. {review and save}, then {'enter}, saves that one byte.", saved},
			{"Learnt: what looks leaked may be what a damaged pointer has lost. Find the pointer before you free anything; a repair that erases cannot be undone. {~next step of the tour} offers the next image.", nil},
		},
	},
	{
		file: "5-twice.qcow2", title: "Two owners of one cluster",
		about: "Two places of the disk show the same data. Whose is it?",
		steps: []tourStep{
			{"This is image 3, after somebody cleared the dirty flag by hand and the guest wrote again. {check the image} checks it.", checked},
			{"Four errors, and three of them follow from the first. {next problem} goes to it.", at(0x8800, 0x8808)},
			{"Two entries lead to one cluster: this one, l1[0].l2[256], and l1[0].l2[130]. A repair by QEMU would count to two and be content. Whose data is it? {follow} follows the pointer.", at(0x16000, 0x18000)},
			{"Accounts; before it, up to 0x16000, lie photos. {who points here} lists the two, with their places on the guest's disk.", dialogOpen[*referencesDialog]},
			{"l1[0].l2[130], at guest 0x104000, goes on the photos: its data was overwritten when the accounts came, and is lost. {'esc} closes this, {next problem} goes to the error again.", at(0x8800, 0x8808)},
			{"{fix} asks who is to keep the cluster.", dialogOpen[*fixDialog]},
			{"Each choice says what is lost by it. The accounts are those of l1[0].l2[256], so the other one gives up: {'down} {'down} {'enter}.", mended},
			{"All four errors are gone. {review and save}, then {'enter}, saves.", saved},
			{"Learnt: no tool knows whose data it is; look, and choose. What was given up reads as zeros now: bring those photos back from a backup. That was the last image; {~next step of the tour} lists all.", nil},
		},
	},
}
