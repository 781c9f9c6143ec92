package image

// Entries reads the entries [from, to) of a table and hands them on until it is
// told to stop; those past the end of the file are left out. Of a run that
// cannot be read the first one is handed on, with its error. What is handed on
// is valid during the call only.
func (im *Image) Entries(t Table, from, to uint64, yield func(*Entry) bool) {
	e := Entry{Table: t}
	to = min(to, t.Present)
	for i := from; i < to; i++ {
		if im.readEntry(&e, i); !yield(&e) {
			return
		}
		if e.Err != nil {
			// The page that failed has all entries up to the next one.
			next := (uint64(e.Offset)>>pageBits + 1) << pageBits
			i = max(i, (next-uint64(t.Offset))*8/t.Bits-1)
		}
	}
}
