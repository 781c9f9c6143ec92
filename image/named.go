package image

import "strings"

// Named is what a path beyond the header names: a table, an entry, or fields.
type Named struct {
	Table   Table // where IsTable
	IsTable bool
	Entry   Entry // where IsEntry; of one of its fields too
	IsEntry bool
	// Nodes are the fields of an entry, or the one that is named; of a table,
	// and of data, there are none.
	Nodes []Node
}

// Named returns what a path names, such as Place.Name: "l1[3].l2",
// "snapshot[1]", "l1[3].copied". The error is an *ExprError.
func (im *Image) Named(path string) (Named, error) {
	it, err := im.lookup(path)
	if err != nil {
		return Named{}, err
	}
	n := Named{Table: it.table, IsTable: it.isTable, Entry: it.entry, IsEntry: it.isEntry}
	switch {
	case it.isTable || it.leaf && it.field == nil && it.record == "":
		return n, nil // a table, or data
	case it.record == "snapshot":
		n.Nodes, err = im.SnapshotNodes(it.number)
	case it.record == "bitmap":
		n.Nodes, err = im.BitmapNodes(it.number)
	default:
		n.Nodes = im.EntryNodes(&n.Entry)
	}
	if err != nil {
		return Named{}, err
	}
	if it.leaf {
		title := path[strings.LastIndexByte(path, '.')+1:]
		for _, node := range n.Nodes {
			if node.Title == title {
				n.Nodes = []Node{node}
				break
			}
		}
	}
	return n, nil
}
