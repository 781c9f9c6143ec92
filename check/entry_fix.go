package check

import (
	"errors"
	"fmt"
	"strings"

	"qedit/header"
	"qedit/image"
)

// Ways to mend entries of L1 and L2 tables. A finding's place is the run of
// entries that they are done to; they change those that are wrong only.

// slotFix returns a fix that changes entries of a run.
func slotFix(f *Finding, l1 bool, name, title string, change func(g *geometry, e *slot) error) Fix {
	at, length := f.At, f.Length
	return Fix{Name: name, Title: title, mend: func(m *mender) error { return m.slots(at, length, l1, change) }}
}

// subject returns what the fix of a finding is done to, for its title.
func (f *Finding) subject() string {
	switch {
	case f.Path == "":
		return fmt.Sprintf("the entries at %v", f.At)
	case f.Count > 1:
		return fmt.Sprintf("%s and the %d behind it", f.Path, f.Count-1)
	}
	return f.Path
}

// guestRange says which part of which disk a finding is about.
func (f *Finding) guestRange() string {
	text := "what it maps"
	if f.GuestLength > 0 {
		text = fmt.Sprintf("bytes 0x%x to 0x%x of the virtual disk", uint64(f.Guest), uint64(f.Guest)+f.GuestLength-1)
	}
	if f.Snapshot != image.Active {
		text += fmt.Sprintf(" in snapshot[%d]", f.Snapshot)
	}
	return text + f.others
}

// others names the disks that share the table which has the entry that a finding is
// about, beside the finding's own: what a fix gives up they lose, too.
func (c *run) others(f *Finding) string {
	if len(c.snapshotL1s) == 0 || f.GuestLength == 0 || f.At == 0 || c.im == nil {
		return ""
	}
	g := &c.geometry
	number := uint64(f.Guest) >> g.bits
	o := owner{from: image.FromL2, snapshot: f.Snapshot, l1: number >> g.l2Shift, index: number & (1<<g.l2Shift - 1), at: uint64(f.At)}
	switch {
	case strings.Contains(f.Path, ".l2["):
	case strings.HasPrefix(f.Path, "l1[") || strings.Contains(f.Path, "].l1["):
		o.from, o.index = image.FromL1, 0
	default:
		return ""
	}
	names, more := c.sharing(&o)
	own := "the virtual disk"
	if f.Snapshot != image.Active {
		own = fmt.Sprintf("snapshot[%d]", f.Snapshot)
	}
	text := ""
	for _, name := range names {
		if name != own {
			text += " and of " + name
		}
	}
	if more > 0 {
		text += fmt.Sprintf(" and of %d more snapshots", more)
	}
	return text
}

// wrong tells which entries of a run are to be changed.
type wrong func(g *geometry, e *slot) bool

// misplaced is an entry that points where no cluster starts.
func misplaced(g *geometry, e *slot) bool {
	return (e.l1 || e.word&l2Compressed == 0) && !g.aligned(e.word&entryOffset)
}

// outside is an entry that points past the end of the file, or with a compressed
// cluster past what a file can have.
func outside(g *geometry, e *slot) bool {
	if !e.l1 && e.word&l2Compressed != 0 {
		at, length := image.L2Entry{Word: e.word}.CompressedData(g.bits)
		return uint64(at) >= maxHostOffset || uint64(at)+length > (g.size+sectorSize-1)&^(sectorSize-1)
	}
	return (e.l1 || !g.dataFile) && e.word&entryOffset >= g.size
}

// packed is the entry of a compressed cluster.
func packed(_ *geometry, e *slot) bool { return e.word&l2Compressed != 0 }

// giveUp returns the choices to give up what entries point at: unallocated, and
// in version 3 for clusters of the guest as zeros.
func (g *geometry) giveUp(f *Finding, l1 bool, is wrong) []Fix {
	fix := slotFix(f, l1, "unallocate", "unallocate "+f.subject(), func(g *geometry, e *slot) error {
		if is(g, e) {
			e.word, e.bitmap = 0, 0
		}
		return nil
	})
	fix.Choice, fix.Loses = true, f.guestRange()+", which then read as the backing file has them, or as zeros"
	all := []Fix{fix}
	if l1 || g.version2 {
		return all
	}
	fix = slotFix(f, l1, "zero", "make "+f.subject()+" read as zeros", func(g *geometry, e *slot) error {
		if is(g, e) {
			e.word, e.bitmap = g.zeroEntry()
		}
		return nil
	})
	fix.Choice, fix.Loses = true, f.guestRange()+", which then read as zeros"
	return append(all, fix)
}

// zeroEntry returns the L2 entry of a cluster that reads as zeros, where nothing
// is stored.
func (g *geometry) zeroEntry() (word, bitmap uint64) {
	if g.extended {
		return 0, 0xffffffff << 32
	}
	return l2Zero, 0
}

// reserved returns the bits of an entry that must be zero and are not.
func (g *geometry) reserved(e *slot) uint64 {
	if e.l1 {
		return image.L1Entry(e.word).Reserved()
	}
	return image.L2Entry{Word: e.word}.Reserved(g.extended)
}

// reservedFix clears the reserved bits of L1 or L2 entries.
func reservedFix(f *Finding, l1 bool) Fix {
	return slotFix(f, l1, "clear", "clear the reserved bits of "+f.subject(), func(g *geometry, e *slot) error {
		e.word &^= g.reserved(e)
		return nil
	})
}

// maskFix clears bits of a run of words that are no L1 or L2 entries.
func maskFix(f *Finding, title string, mask func(word uint64) uint64) Fix {
	at, length := f.At, f.Length
	return Fix{Name: "clear", Title: title, mend: func(m *mender) error {
		if err := m.notHeader(at); err != nil {
			return err
		}
		for o := at; o+entrySize <= at+header.HostOffset(length); o += entrySize {
			if err := m.ctx.Err(); err != nil {
				return err
			}
			word, err := m.word(o)
			if err == nil && mask(word) != 0 {
				err = m.setWord(o, word&^mask(word))
			}
			if err != nil {
				return err
			}
		}
		return nil
	}}
}

// compressedCopiedFix clears COPIED of compressed clusters.
func compressedCopiedFix(f *Finding) Fix {
	return slotFix(f, false, "clear", "clear COPIED of "+f.subject(), func(_ *geometry, e *slot) error {
		if e.word&l2Compressed != 0 {
			e.word &^= entryCopied
		}
		return nil
	})
}

// compressedBitmapFix clears the subcluster bitmap of compressed clusters. Nobody
// reads it there; but if it is the compressed flag that is wrong it is needed.
func compressedBitmapFix(f *Finding) Fix {
	fix := slotFix(f, false, "clear", "clear the subcluster bitmap of "+f.subject(), func(_ *geometry, e *slot) error {
		if e.word&l2Compressed != 0 {
			e.bitmap = 0
		}
		return nil
	})
	fix.Choice, fix.Loses = true, "which subclusters had data, if the cluster is not compressed"
	return fix
}

// version2ZeroFixes are the choices for zero flags in an image of version 2.
func version2ZeroFixes(f *Finding) []Fix {
	is := func(_ *geometry, e *slot) bool { return e.word&l2Compressed == 0 && e.word&l2Zero != 0 }
	upgrade := Fix{
		Name: "upgrade", Title: "make the header one of version 3, which has zero flags", Choice: true,
		Loses: "readers that know version 2 only",
		mend: func(m *mender) error {
			if m.Area().Header.Version >= header.Three {
				return nil // done with another finding
			}
			return upgradeToV3(m)
		},
	}
	unallocate := slotFix(f, false, "unallocate", "unallocate "+f.subject(), func(g *geometry, e *slot) error {
		if is(g, e) {
			e.word = 0
		}
		return nil
	})
	unallocate.Choice = true
	unallocate.Loses = "that " + f.guestRange() + " read as zeros, where a backing file has something else"
	if f.HostLength == 0 {
		return []Fix{upgrade, unallocate}
	}
	stored := slotFix(f, false, "clear", "clear the zero flag of "+f.subject()+", so that what is stored is read", func(g *geometry, e *slot) error {
		if is(g, e) && e.word&entryOffset != 0 {
			e.word &^= l2Zero
		}
		return nil
	})
	stored.Choice, stored.Loses = true, "that "+f.guestRange()+" read as zeros"
	return []Fix{upgrade, unallocate, stored}
}

var errOtherOwner = errors.New("the cluster that the rounded offset points at has another owner, or no refcount")

// unalignedFixes are the choices for entries that point where no cluster starts.
// likely says that the cluster that the pointer leads into has a refcount and no
// owner: probably it is the right one.
func (g *geometry) unalignedFixes(f *Finding, l1, likely bool) []Fix {
	title := "round the offset of " + f.subject() + " down to the start of the cluster"
	if likely {
		title += ", which nothing else points at and which has a refcount: probably the right one"
	}
	at, length := f.At, f.Length
	round := Fix{Name: "round", Title: title, Choice: true, mend: func(m *mender) error {
		return m.slots(at, length, l1, func(g *geometry, e *slot) error {
			if !misplaced(g, e) {
				return nil
			}
			cluster := e.word & entryOffset >> g.bits
			n, err := m.references(cluster)
			if err != nil {
				return err
			}
			if v, err := m.refcount(cluster); err != nil {
				return err
			} else if n != 0 || v == 0 || cluster == 0 || cluster >= g.clusters {
				return errOtherOwner
			}
			e.word &^= entryOffset & (g.cs - 1)
			return nil
		})
	}}
	choices := g.giveUp(f, l1, misplaced)
	if likely {
		return append([]Fix{round}, choices...)
	}
	return append(choices, round)
}

// preallocatedFix makes zero clusters with an offset that is none plain zero
// clusters.
func preallocatedFix(f *Finding) Fix {
	return slotFix(f, false, "zero", "make "+f.subject()+" a zero cluster without a place of its own", func(g *geometry, e *slot) error {
		if e.word&l2Compressed == 0 && e.word&l2Zero != 0 && !g.aligned(e.word&entryOffset) {
			e.word &^= entryOffset | entryCopied
		}
		return nil
	})
}

// subclusterFixes are the choices for subclusters that are allocated and zero at
// once.
func subclusterFixes(f *Finding) []Fix {
	zero := slotFix(f, false, "zero", "subclusters of "+f.subject()+" that are both read as zeros", func(_ *geometry, e *slot) error {
		e.bitmap &^= e.bitmap >> 32 & e.bitmap
		return nil
	})
	zero.Choice, zero.Loses = true, "what is stored of these subclusters"
	data := slotFix(f, false, "allocated", "subclusters of "+f.subject()+" that are both read what is stored", func(_ *geometry, e *slot) error {
		e.bitmap &^= (e.bitmap >> 32 & e.bitmap) << 32
		return nil
	})
	data.Choice, data.Loses = true, "that these subclusters read as zeros"
	return []Fix{zero, data}
}

// noClusterFix clears the allocated bits of subclusters that have no cluster.
// QEMU refuses to read them.
func noClusterFix(f *Finding) Fix {
	fix := slotFix(f, false, "clear", "clear the allocated bits of "+f.subject()+", which has no cluster", func(_ *geometry, e *slot) error {
		if e.word&(l2Compressed|entryOffset) == 0 {
			e.bitmap &^= 0xffffffff
		}
		return nil
	})
	fix.Choice, fix.Loses = true, "the trace that there was data, in "+f.guestRange()
	return fix
}

// dataFileFix gives entries of an image with an external data file the offset
// that they must have there: that on the virtual disk.
func dataFileFix(f *Finding) Fix {
	at, guest := f.At, uint64(f.Guest)
	fix := slotFix(f, false, "set", "set the offset of "+f.subject()+" to that on the virtual disk, where QEMU has data in the data file", func(g *geometry, e *slot) error {
		if g.kind(e.word) == entryStored {
			here := guest + uint64(e.at-at)/e.size<<g.bits
			e.word = e.word&^entryOffset | here | entryCopied
		}
		return nil
	})
	fix.Choice, fix.Loses = true, "the offset that was stored, if the data should lie there"
	return fix
}

// copiedFix sets COPIED where the refcount is 1, and clears it elsewhere.
func copiedFix(f *Finding, l1 bool) Fix {
	at, length := f.At, f.Length
	return Fix{Name: "copied", Title: "make COPIED of " + f.subject() + " say what the refcount is", stage: stageCopied, mend: func(m *mender) error {
		return m.slots(at, length, l1, func(g *geometry, e *slot) error {
			offset := e.word & entryOffset
			switch {
			case !l1 && e.word&l2Compressed != 0:
				return nil
			case !l1 && g.dataFile:
				e.word |= entryCopied
				return nil
			case offset == 0 || !g.aligned(offset):
				return nil
			}
			cluster := offset >> g.bits
			v, err := m.refcount(cluster)
			if err != nil {
				return err
			}
			if n, err := m.references(cluster); err != nil {
				return err
			} else if v < n {
				return fmt.Errorf("the refcount of the cluster at 0x%x is %d, %s: mend that first", cluster<<g.bits, v, references(n))
			}
			if e.word &^= entryCopied; v == 1 {
				e.word |= entryCopied
			}
			return nil
		})
	}}
}

// flagAloneFix clears L1 entries that have a flag and no offset.
func flagAloneFix(f *Finding) Fix {
	fix := slotFix(f, true, "clear", "clear "+f.subject(), func(_ *geometry, e *slot) error {
		if e.word&entryOffset == 0 {
			e.word = 0
		}
		return nil
	})
	fix.Choice, fix.Loses = true, "the trace that there was a table, for "+f.guestRange()
	return fix
}
