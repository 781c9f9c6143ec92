package check

import "qedit/header"

// fixesOf returns the ways to mend a finding in tables.
func (c *run) fixesOf(f *Finding) []Fix {
	g := &c.geometry
	switch f.Kind {
	case kindRefcountLow, kindRefcountZero:
		return []Fix{g.raiseFix(f)}
	case kindRefcountOverflow:
		if c.area.Header.Version < header.Three {
			return nil
		}
		return []Fix{widenFix(c.most)}
	case kindLeak:
		return []Fix{g.lowerFix(f)}
	case kindBlockReserved:
		rebuild := blockFix(f)
		rebuild.Choice = true
		return []Fix{tableReservedFix(f), rebuild}
	case kindBlockUnaligned, kindBlockOutside:
		return []Fix{blockFix(f)}
	case kindL1Copied:
		return []Fix{copiedFix(f, true)}
	case kindL2Copied:
		return []Fix{copiedFix(f, false)}
	case kindOverlapTables, kindOverlapData, kindL2Twice, kindDataTwice:
		return c.overlapFixes(f)
	}
	return c.entryFixes(f)
}

// entryFixes returns the ways to mend a finding of L1 or L2 entries.
func (c *run) entryFixes(f *Finding) []Fix {
	g := &c.geometry
	switch f.Kind {
	case kindL1Reserved:
		return []Fix{c.ifEntry(f, reservedFix(f, true))}
	case kindL2Reserved:
		return []Fix{c.ifEntry(f, reservedFix(f, false))}
	case kindL1Unaligned:
		return g.unalignedFixes(f, true, c.likely(f))
	case kindL2Unaligned:
		if word, ok := c.wordAt(f.At); ok && word&l2Zero != 0 && !g.extended {
			return []Fix{preallocatedFix(f)}
		}
		return g.unalignedFixes(f, false, c.likely(f))
	case kindL1Outside:
		return g.giveUp(f, true, outside)
	case kindL2Outside, kindCompressedOutside, kindCompressedReserved, kindCompressedEnd:
		return g.giveUp(f, false, outside)
	case kindCompressedDataFile:
		return g.giveUp(f, false, packed)
	case kindL1Flag:
		return []Fix{flagAloneFix(f)}
	case kindZeroV2:
		return version2ZeroFixes(f)
	case kindSubclusters:
		return subclusterFixes(f)
	case kindSubclustersAlone:
		return []Fix{noClusterFix(f)}
	case kindDataFileOffset:
		return []Fix{dataFileFix(f)}
	case kindCompressedCopied:
		return []Fix{c.ifEntry(f, compressedCopiedFix(f))}
	case kindCompressedBitmap:
		return []Fix{compressedBitmapFix(f)}
	}
	return nil
}

// wordAt reads an entry.
func (c *run) wordAt(at header.HostOffset) (uint64, bool) {
	var b [8]byte
	n, _ := c.r.ReadAt(b[:], int64(at))
	return be.Uint64(b[:]), n == len(b)
}

// ifEntry leaves a fix to a person that clears bits of what is most likely no entry
// at all: without the bits it could not be meant either.
func (c *run) ifEntry(f *Finding, fix Fix) Fix {
	word, ok := c.wordAt(f.At)
	bitmap := uint64(0)
	l1 := f.Kind == kindL1Reserved
	if c.geometry.extended && !l1 {
		bitmap, _ = c.wordAt(f.At + entrySize)
	}
	if p := c.res.believed; ok && p != nil && (l1 && !p.senselessL1(word) || !l1 && !p.senseless(word, bitmap)) {
		return fix
	}
	return asked("what else these bytes may be: no entry is like this", fix)
}

// likely reports whether an entry that points into a cluster, not at its start,
// is probably meant for that cluster: nothing else points there, and it has a
// refcount.
func (c *run) likely(f *Finding) bool {
	word, ok := c.wordAt(f.At)
	cluster := word & entryOffset >> c.geometry.bits
	if !ok || cluster == 0 || cluster >= c.geometry.clusters || c.res.believed == nil {
		return false
	}
	v, ok := c.res.refcount(cluster)
	return ok && v > 0 && c.res.references(cluster) == 0
}
