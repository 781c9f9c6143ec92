package check

import (
	"errors"
	"fmt"
	"strings"

	"qedit/header"
	"qedit/image"
)

// Ways to mend refcounts and what holds them.

// clusters returns the clusters that a finding is about.
func (g *geometry) clustersOf(f *Finding) span {
	first := uint64(f.Host) >> g.bits
	return span{first, first + max((f.HostLength+g.cs-1)>>g.bits, 1)}
}

// raiseFix raises refcounts to the number of references.
func (g *geometry) raiseFix(f *Finding) Fix {
	run := g.clustersOf(f)
	return Fix{Name: "raise", Title: "raise the " + refcountsOf(f), stage: stageRefcounts, mend: func(m *mender) error {
		return m.recount(run, func(stored, references uint64) bool { return stored < references })
	}}
}

// lowerFix lowers refcounts to the number of references. A cluster without any
// becomes free by that: what is in it stays, until somebody needs the room.
func (g *geometry) lowerFix(f *Finding) Fix {
	run := g.clustersOf(f)
	fix := Fix{Name: "lower", Title: "lower the " + refcountsOf(f), stage: stageLeaks, Choice: true}
	fix.Loses = "what these clusters hold, as soon as something else is written there"
	fix.mend = func(m *mender) error {
		err := m.without(func(f *Finding) bool {
			return (f.Kind.Severity == Warning || f.Kind.Severity == Error || mayOwn(f.Kind)) && !strings.HasPrefix(f.Cause, kindLeak.ID+"@")
		})
		if err != nil {
			return fmt.Errorf("a cluster that looks leaked may be what damage elsewhere has hidden: %w", err)
		}
		return m.recount(run, func(stored, references uint64) bool { return stored > references })
	}
	return fix
}

// mayOwn reports whether a note is about something that may have clusters which are
// not known of here: features and fields of later versions, and remains of pointers
// in the header's cluster. Other notes say nothing of clusters.
func mayOwn(k *Kind) bool {
	switch k {
	case kindUnknownCompatible, kindUnknownAutoclear, kindUnknownFields, kindUnclaimed, kindHeaderRest:
		return true
	}
	return k.ID == "extensions-max"
}

func refcountsOf(f *Finding) string {
	if f.Count > 1 {
		return fmt.Sprintf("refcounts of %d clusters from %v on", f.Count, f.Host)
	}
	return fmt.Sprintf("refcount of the cluster at %v", f.Host)
}

// recount sets refcounts to the number of references where they are to be.
func (m *mender) recount(run span, wanted func(stored, references uint64) bool) error {
	was, checked := m.result, m.result != nil
	for c := run.first; c < run.end; c++ {
		if c&0xfff == 0 && m.ctx.Err() != nil {
			return m.ctx.Err()
		}
		n, err := m.references(c)
		if err != nil {
			return err
		}
		v, err := m.refcount(c)
		if err != nil {
			return err
		}
		if m.before != nil && m.before.believed != nil && !m.moved && n != m.before.references(c) {
			return errElsewhere
		}
		if !wanted(v, n) {
			continue
		}
		if err := m.setRefcount(c, n); err != nil {
			return err
		}
	}
	if checked {
		m.result = was // lowering brings no finding that is not a leak
	}
	return nil
}

var errElsewhere = errors.New("what points at the cluster is in a table that may be none: mend the pointer to that first")

// blockFix replaces the refcount blocks of a run of entries of the refcount
// table.
func blockFix(f *Finding) Fix {
	at, length := f.At, f.Length
	return Fix{
		Name: "rebuild", Title: "put a new refcount block for " + f.subject() + ", counted from the references", stage: stageRefcountTable,
		mend: func(m *mender) error {
			g, err := m.geometry()
			if err != nil {
				return err
			}
			table, entries := m.refcountTable(&g)
			if at < table {
				return errTableMoved
			}
			first := uint64(at-table) / entrySize
			for i := first; i < first+max(length/entrySize, 1); i++ {
				if i >= entries {
					return errTableMoved
				}
				if err := m.renewBlock(i); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// renewBlock puts a new refcount block in the place of one that is none; where
// there are no clusters for it, nothing, unless something points past the end of
// the file: then the block says that the file was longer.
func (m *mender) renewBlock(i uint64) error {
	g, err := m.geometry()
	if err != nil {
		return err
	}
	if i<<g.perBlock < g.clusters {
		return m.newBlock(i)
	}
	if err := m.sureOf(i); err != nil {
		return err
	}
	c, err := m.census()
	if err != nil {
		return err
	}
	if c.longer > 0 || len(c.past) > 0 {
		return errWasLonger
	}
	table, entries := m.refcountTable(&g)
	if i >= entries {
		return errTableMoved
	}
	at := table + header.HostOffset(i*entrySize)
	word, err := m.word(at)
	if err == nil {
		err = m.setWord(at, 0)
	}
	if err != nil {
		return err
	}
	return m.replaced(&g, uint64(image.RefcountTableEntry(word).Offset()))
}

var errWasLonger = errors.New("entries point past the end of the file, and this block says that it was longer: mend them first")

var errTableMoved = errors.New("the refcount table is elsewhere by now: check again")

// tableFix makes the refcount table and all blocks anew.
func tableFix() Fix {
	return asked("the refcounts that are stored, which may tell what else is in use", Fix{
		Name: "rebuild", Title: "make the refcount table and all refcount blocks anew, counted from the references", stage: stageRefcountTable,
		mend: (*mender).rebuild,
	})
}

// widenFix makes the refcount table and all blocks anew, with refcounts that can
// say so many references; with 16 bits at least, which QEMU has by default.
func widenFix(most uint64) Fix {
	const usual = 4
	order := max(usual, widthFor(most))
	return asked("", Fix{
		Name: "widen", Title: fmt.Sprintf("make the refcount table and all refcount blocks anew, with refcounts of %d bits, counted from the references", 1<<order),
		stage: stageRefcountTable, mend: func(m *mender) error { return m.widen(order) },
	})
}

// tableReservedFix clears the reserved bits of entries of the refcount table.
func tableReservedFix(f *Finding) Fix {
	fix := maskFix(f, "clear the reserved bits of "+f.subject(), func(word uint64) uint64 { return image.RefcountTableEntry(word).Reserved() })
	fix.stage = stageRefcountTable
	return fix
}
