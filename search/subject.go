package search

import (
	"fmt"
	"slices"
	"strings"

	"qedit/header"
	"qedit/image"
)

// Subject is a kind of thing that a query asks for.
type Subject struct {
	Name    string // as in queries: "l2"
	Meaning string
	Example string
}

// Subjects are what queries ask for.
var Subjects = []Subject{
	{"l1", "entries of the L1 tables", "l1: reserved != 0"},
	{"l2", "entries of the L2 tables", "l2: copied and refcount != 1"},
	{"refcount_table", "entries of the refcount table", "refcount_table: refcount_block_offset >= 1G"},
	{"refcount", "refcounts", "refcount: value > 1"},
	{"bitmap_table", "entries of the tables of bitmaps", "bitmap_table: all_ones"},
	{"snapshot", "entries of the snapshot table", "snapshot: vm_state_size > 0"},
	{"bitmap", "entries of the bitmap directory", "bitmap: granularity_bits < 16"},
	{"cluster", "clusters of the file", "cluster: kind = data and shared"},
}

// entryKinds are the kinds of entries of the subjects that are tables; the
// first decides what is asked of an image.
var entryKinds = map[string][]image.EntryKind{
	"l1":             {image.EntryL1},
	"l2":             {image.EntryL2, image.EntryL2Compressed, image.EntryL2Extended, image.EntryL2ExtendedCompressed},
	"refcount_table": {image.EntryRefcountTable},
	"refcount":       {image.EntryRefcount},
	"bitmap_table":   {image.EntryBitmapTable},
	"snapshot":       {image.EntrySnapshot},
	"bitmap":         {image.EntryBitmap},
}

// candidate is an entry or cluster that a query is asked about.
type candidate struct {
	im      *image.Image
	entry   *image.Entry
	nodes   []image.Node // of a snapshot or bitmap, which have no entry: its fields
	index   uint64       // of a snapshot or bitmap, and of a cluster
	cluster image.ClusterKind
	err     error // why something about it is not known

	block      image.Table // of refcounts, where hasBlock: the one that was asked last
	firstBlock uint64      // number of its first cluster
	hasBlock   bool
}

// property is something that can be asked of a candidate.
type property struct {
	name    string
	choices []choice // its values by name
	// of returns the value, false where the candidate has none.
	of func(c *candidate) (uint64, bool)
}

// choice is a value with a name.
type choice struct {
	name   string
	number uint64
}

// properties returns what can be asked of a subject, the fields first.
func properties(im *image.Image, subject string) []property {
	if subject == "cluster" {
		return clusterProperties
	}
	kinds := entryKinds[subject]
	var all []property
	for _, k := range kinds {
		for i := range im.Layout(k).Fields {
			f := &im.Layout(k).Fields[i]
			if !slices.ContainsFunc(all, func(p property) bool { return p.name == f.Name }) {
				all = append(all, fieldProperty(im, kinds, f))
				all = append(all, flagProperties(&all[len(all)-1], f)...)
			}
		}
	}
	switch subject {
	case "snapshot", "bitmap":
		return append(all, indexProperty, brokenProperty)
	case "refcount":
		return append(all, wordProperty, indexProperty, hostProperty)
	}
	return append(all, entryProperties...)
}

// fieldProperty returns the field of that name, whichever of the kinds an entry
// has.
func fieldProperty(im *image.Image, kinds []image.EntryKind, first *image.Field) property {
	p := property{name: first.Name}
	var fields [int(image.EntryBitmap) + 1]*image.Field
	for _, k := range kinds {
		fields[k] = im.Layout(k).Field(first.Name)
	}
	for _, v := range first.Values {
		p.choices = append(p.choices, choice{v.Name, v.Number})
	}
	p.of = func(c *candidate) (uint64, bool) {
		if c.entry == nil {
			for i := range c.nodes {
				if n := &c.nodes[i]; n.Row != nil && n.Title == first.Name && n.Broken == "" {
					return n.Value, true
				}
			}
			return 0, false
		}
		f := fields[c.entry.Kind]
		if f == nil {
			return 0, false
		}
		return c.entry.Value(f), true
	}
	return p
}

// flagProperties returns the bits of a field that have a name.
func flagProperties(field *property, f *image.Field) []property {
	var all []property
	of := field.of
	for _, flag := range f.Flags {
		all = append(all, property{name: flag.Name, of: func(c *candidate) (uint64, bool) {
			v, ok := of(c)
			return v >> flag.Bit & 1, ok
		}})
	}
	return all
}

// Number of the entry in its table, from 0.
var indexProperty = property{name: "index",
	of: func(c *candidate) (uint64, bool) {
		if c.entry == nil {
			return c.index, true
		}
		return c.entry.Index, true
	}}

// Whether the entry breaks a rule of the format.
var brokenProperty = property{name: "broken",
	of: func(c *candidate) (uint64, bool) {
		if c.entry != nil {
			return truth(len(c.im.Violations(c.entry)) > 0), true
		}
		for i := range c.nodes {
			if len(c.nodes[i].Violations) > 0 || c.nodes[i].Broken != "" {
				return 1, true
			}
		}
		return 0, true
	}}

// Host offset of the entry itself.
var hostProperty = property{name: "host",
	of: func(c *candidate) (uint64, bool) { return uint64(c.entry.Offset), true }}

// The whole entry as a number; of an extended L2 entry the first half.
var wordProperty = property{name: "value",
	of: func(c *candidate) (uint64, bool) { return c.entry.Word, true }}

// entryProperties are what can be asked of an entry beside its fields.
var entryProperties = []property{
	wordProperty, indexProperty, hostProperty,
	{name: "offset", // Host offset that the entry points at, 0 where it points nowhere.
		of: func(c *candidate) (uint64, bool) {
			for i := range c.im.Layout(c.entry.Kind).Fields {
				if f := &c.im.Layout(c.entry.Kind).Fields[i]; f.Kind == header.Offset {
					return c.entry.Value(f), true
				}
			}
			return 0, false
		}},
	{name: "refcount", // Refcount of the cluster that the entry points at.
		of: func(c *candidate) (uint64, bool) {
			at, _, ok := c.im.Pointed(c.entry)
			if !ok {
				return 0, false
			}
			return c.refcount(uint64(at) / c.im.ClusterSize())
		}},
	{name: "guest", // First guest offset that is reached through the entry.
		of: func(c *candidate) (uint64, bool) {
			at, _, ok := c.im.GuestSpan(c.entry)
			return uint64(at), ok
		}},
	{name: "reserved", // Bits that must be zero and are not.
		of: func(c *candidate) (uint64, bool) {
			bits := uint64(0)
			for i := range c.im.Layout(c.entry.Kind).Fields {
				if f := &c.im.Layout(c.entry.Kind).Fields[i]; f.Reserved {
					bits |= c.entry.Value(f) << f.Low
				}
			}
			return bits, true
		}},
	brokenProperty,
	{name: "in_snapshot", // Whether the entry belongs to a snapshot only.
		of: func(c *candidate) (uint64, bool) { return truth(c.entry.Table.Snapshot != image.Active), true }},
}

// refcount returns the stored refcount of a cluster. The next one is most often
// in the same block.
func (c *candidate) refcount(cluster uint64) (uint64, bool) {
	if c.hasBlock && cluster >= c.firstBlock && cluster-c.firstBlock < c.block.Present {
		if e := c.im.Entry(c.block, cluster-c.firstBlock); e.Err == nil {
			return e.Word, true
		}
	}
	e, err := c.im.RefcountEntry(cluster)
	if err != nil {
		c.err = fmt.Errorf("the refcount of cluster %d is not known: %w", cluster, err)
		return 0, false
	}
	if c.hasBlock = e.Kind == image.EntryRefcount; !c.hasBlock {
		return 0, true // no block: not in use
	}
	c.block, c.firstBlock = e.Table, cluster-e.Index
	return e.Word, true
}

func truth(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

// Owners of clusters.
const (
	ownerNone = iota
	ownerImage
	ownerActive
	ownerSnapshots
	ownerBitmaps
)

var ownerChoices = []choice{{"none", ownerNone}, {"image", ownerImage}, {"active", ownerActive}, {"snapshots", ownerSnapshots}, {"bitmaps", ownerBitmaps}}

// ownerOf returns whose a cluster of a kind is.
func ownerOf(k image.ClusterKind) uint64 {
	switch k.Base() {
	case image.ClusterUnreferenced:
		return ownerNone
	case image.ClusterL1, image.ClusterL2, image.ClusterData, image.ClusterCompressed:
		return ownerActive
	case image.ClusterSnapshotL1, image.ClusterSnapshotL2, image.ClusterSnapshotData, image.ClusterSnapshotCompressed:
		return ownerSnapshots
	case image.ClusterBitmapDirectory, image.ClusterBitmapTable, image.ClusterBitmapData:
		return ownerBitmaps
	}
	return ownerImage
}

// kindChoices are the kinds of clusters, as people call them with _ for spaces.
func kindChoices() []choice {
	var all []choice
	for k := range image.ClusterKinds {
		all = append(all, choice{wordOf(image.ClusterKind(k).String()), uint64(k)})
	}
	return all
}

// wordOf returns a name as one word of a query.
func wordOf(name string) string { return strings.ReplaceAll(strings.ToLower(name), " ", "_") }

// clusterProperties are what can be asked of a cluster.
var clusterProperties = []property{
	{name: "kind", choices: kindChoices(), // What the cluster is.
		of: func(c *candidate) (uint64, bool) { return uint64(c.cluster.Base()), true }},
	{name: "owner", choices: ownerChoices, // Whose it is: what the active tree has too counts as its own.
		of: func(c *candidate) (uint64, bool) { return ownerOf(c.cluster), true }},
	{name: "shared", // Whether several owners have it as they may.
		of: func(c *candidate) (uint64, bool) { return truth(c.cluster.Shared()), true }},
	{name: "conflict", // Whether its owners exclude each other.
		of: func(c *candidate) (uint64, bool) { return truth(c.cluster.Conflict()), true }},
	{name: "short", // Whether the file ends within it.
		of: func(c *candidate) (uint64, bool) { return truth(c.cluster.Short()), true }},
	{name: "refcount", // Its stored refcount.
		of: func(c *candidate) (uint64, bool) { return c.refcount(c.index) }},
	{name: "index", // Number of the cluster, from 0.
		of: func(c *candidate) (uint64, bool) { return c.index, true }},
	{name: "offset", // Host offset of the cluster.
		of: func(c *candidate) (uint64, bool) { return c.index * c.im.ClusterSize(), true }},
}
