package image

// Expression is a form of what Scope.Find takes.
type Expression struct {
	Examples []string
	Meaning  string
}

// ExpressionForms returns what expressions can be, for people.
func ExpressionForms() []Expression {
	return []Expression{
		{[]string{"0x30000", "192K", "65536"}, "a host offset: a byte of the file; units K to E are powers of 1024"},
		{[]string{"cluster 3"}, "the start of a host cluster"},
		{[]string{"end"}, "the end of the file"},
		{[]string{"l1_table_offset", "header.size"}, "a field of the header, by its name in the specification"},
		{[]string{"corrupt", "lazy_refcounts"}, "a feature bit: the mask that it is in"},
		{[]string{"extensions[0].length"}, "a field of a header extension, counted from 0"},
		{[]string{"header", "extensions", "backing_file"}, "a structure of the first cluster"},
		{[]string{"l1", "refcount_table", "snapshots", "bitmaps"}, "a table or directory that the header points at"},
		{[]string{"l1[0]"}, "an entry of the active L1 table"},
		{[]string{"l1[0].l2", "l1[0].l2[8]"}, "the L2 table that an entry points at, and an entry of that"},
		{[]string{"l1[0].l2[8].data"}, "what an L2 entry points at"},
		{[]string{"l1[0].l2[8].copied"}, "a field of an entry"},
		{[]string{"refcount_table[0].block[5]"}, "an entry of a refcount block"},
		{[]string{"snapshot[0]", "snapshot[0].name"}, "an entry of the snapshot table, and a part of it"},
		{[]string{"snapshot[0].l1[0].l2[0]"}, "an entry of the tables of a snapshot"},
		{[]string{"bitmap[0]", "bitmap[0].table[0]"}, "an entry of the bitmap directory, and of the table of that bitmap"},
		{[]string{"guest:64K"}, "where a byte of the virtual disk is stored"},
		{[]string{"guest:1M@before", "guest:1M@snapshot[0]"}, "the same on the disk of a snapshot, by id, name or number; a name with + - or spaces between double quotes"},
		{[]string{"@a", "@table+16"}, "a bookmark, by its name or id, and so many bytes behind it; a name with + - or spaces between double quotes"},
		{[]string{"cluster 3+0x10", "end-512", "guest:64K+512"}, "so many bytes on, or back; behind guest: on the virtual disk"},
		{[]string{"0x100..0x200", "l1..end", "0x100..+64"}, "a range: from the first place up to the second, which is left out, or so many bytes"},
		{[]string{"guest:1M..guest:2M", "guest:1M@before..+4K", "guest:0..end"}, "a range of the virtual disk: what the guest reads there, stored or not"},
	}
}
