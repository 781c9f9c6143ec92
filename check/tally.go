package check

import (
	"math"
	"slices"

	"qedit/image"
)

// tally counts what a walk over all tables meets.
type tally struct {
	*walker
	stored  *stored
	refs    counts
	places  places
	figures Figures

	next   []uint64 // host offset that would go on where the active disk's cluster before ends, in each table of a group
	nth    int      // the table of the group that is being counted
	met    []sanity // of the entries of each table of the group
	led    sanity   // of the L2 tables that the active L1 table leads to
	reach  uint64   // clusters that the file may once have had
	odd    bool     // something is not as it should, and is worth a second look
	astray bool     // QEMU followed a pointer that leads nowhere right
}

// region counts references to what lies at an offset, as QEMU does: what ends a
// cluster or more past the end of the file is an error, and not counted. A length
// of 2^63 or more is negative to QEMU, and nothing.
func (t *tally) region(at, length, times uint64) (first, end uint64) {
	if length == 0 || length > math.MaxInt64 {
		return 0, 0
	}
	if t.beyond(at, length) {
		t.figures.Corruptions += times
		t.odd = true
		return 0, 0
	}
	first, end = t.span(at, length)
	t.refs.add(first, end-first, times)
	return first, end
}

// l2 counts the references of a group.
func (t *tally) l2(g *l2Group) {
	alone := len(g.tables) == 1
	for len(t.next) < len(g.tables) {
		t.next, t.met = append(t.next, 0), append(t.met, sanity{})
	}
	for i := range g.tables {
		t.nth = i
		t.table(g, &g.tables[i], alone)
	}
	if !alone {
		t.shared(g)
	}
	if t.strict && (g.first+uint64(len(g.tables[0].buf))/t.entry)*t.entry == t.cs {
		t.judge(g)
	}
}

// table counts the references of a part of an L2 table; with mark also the
// places.
func (t *tally) table(g *l2Group, p *l2Table, mark bool) {
	if g.first == 0 {
		t.met[t.nth] = sanity{}
		if p.active > 0 {
			t.next[t.nth] = 0
		}
	}
	if p.known {
		for _, r := range p.runs {
			t.run(p, r.word, r.word&entryOffset>>t.bits, uint64(r.n), mark)
		}
		return
	}
	size, buf := int(t.entry), p.buf
	rest := t.cs - 1
	for i := 0; i < len(buf); {
		word := be.Uint64(buf[i:])
		if word == 0 && size == 8 {
			i += 8
			continue
		}
		offset := word & entryOffset
		c := offset >> t.bits
		if word&(l2Compressed|l2Reserved|l2Zero) != 0 || offset == 0 || offset&rest != 0 || t.dataFile || c >= t.clusters {
			t.single(g, p, uint64(i)/t.entry, mark)
			i += size
			continue
		}
		start, want := i, word
		if size == 8 {
			i += 8 + following(buf[i+8:], want, t.cs)
		} else {
			if clash(be.Uint64(buf[i+8:])) {
				t.single(g, p, uint64(i)/t.entry, mark)
				i += size
				continue
			}
			for i += 16; i < len(buf) && be.Uint64(buf[i:]) == want+t.cs && !clash(be.Uint64(buf[i+8:])); i += 16 {
				want += t.cs
			}
		}
		n := uint64(i-start) / t.entry
		if c+n > t.clusters {
			n = t.clusters - c
			i = start + int(n*t.entry)
		}
		t.run(p, word, c, n, mark)
	}
}

// following returns how many bytes of entries go on where an entry ends, each
// step further.
func following(buf []byte, word, step uint64) int {
	rest := buf
	for len(rest) >= 32 {
		b := rest[:32]
		if (be.Uint64(b)^(word+step))|(be.Uint64(b[8:])^(word+2*step))|(be.Uint64(b[16:])^(word+3*step))|(be.Uint64(b[24:])^(word+4*step)) != 0 {
			break
		}
		word += 4 * step
		rest = rest[32:]
	}
	for len(rest) >= 8 && be.Uint64(rest) == word+step {
		word += step
		rest = rest[8:]
	}
	return len(buf) - len(rest)
}

// clash reports whether subclusters are allocated and zero at once.
func clash(bitmap uint64) bool { return bitmap>>32&bitmap != 0 }

// run counts standard clusters that follow one another in the file.
func (t *tally) run(p *l2Table, word, c, n uint64, mark bool) {
	t.met[t.nth].entries += n
	t.refs.add(c, n, p.weight)
	if mark {
		t.places.one(c, n)
	}
	if c+n == t.clusters && !t.aligned(t.size) {
		t.odd = true
	}
	if p.active == 0 {
		t.odd = t.odd || word&entryCopied != 0 && !t.stored.one(c, n)
		return
	}
	t.fragments(c<<t.bits, n, p.active)
	if copied := word&entryCopied != 0; copied && t.stored.one(c, n) {
		return
	}
	for end := c + n; c < end; c++ {
		t.copied(word, c, t.flagged(p))
	}
}

// flagged returns how many active L1 entries there are whose L2 table QEMU checks
// for flags: not one at offset 0, or one whose own refcount cannot be read.
func (t *tally) flagged(p *l2Table) uint64 {
	if p.at == 0 {
		return 0
	}
	if len(t.stored.bad) > 0 {
		if _, ok := t.stored.least(p.at >> t.bits); !ok {
			return 0
		}
	}
	return p.active
}

// fragments counts clusters of the active disk.
func (t *tally) fragments(offset, n, times uint64) {
	t.figures.AllocatedClusters += n * times
	if next := t.next[t.nth]; next != 0 && offset != next {
		t.figures.FragmentedClusters += times
	}
	t.next[t.nth] = offset + n<<t.bits
}

// copied compares a flag with the refcount that is stored.
func (t *tally) copied(word, c, times uint64) {
	if times == 0 {
		return
	}
	if v, ok := t.stored.least(c); ok && (v == 1) != (word&entryCopied != 0) {
		t.figures.Corruptions += times
		t.odd = true
	}
}

// single counts one entry, whatever it is.
func (t *tally) single(g *l2Group, p *l2Table, i uint64, mark bool) {
	word, bitmap := entryAt(p.buf, i, t.entry)
	offset := word & entryOffset
	wrong := func() { t.figures.Corruptions += p.weight }
	if word != 0 || bitmap != 0 {
		t.met[t.nth].entries++
	}
	if t.suspect(word, bitmap, t.guest(g.l1, g.first+i)) {
		t.odd = true
		if t.senseless(word, bitmap) {
			t.met[t.nth].broken++
		}
	}
	if word&l2Compressed == 0 && word&l2Reserved != 0 {
		wrong()
	}
	switch t.kind(word) {
	case entryPacked:
		if word&entryCopied != 0 {
			wrong()
		}
		if t.dataFile || bitmap != 0 {
			wrong()
			return
		}
		e := image.L2Entry{Word: word}
		at, length := e.CompressedData(t.bits)
		if first, end := t.region(uint64(at), length, p.weight); mark {
			for c := first; c < end; c++ {
				t.places.compressed(c)
			}
		}
		t.figures.AllocatedClusters += p.active
		t.figures.CompressedClusters += p.active
		t.figures.FragmentedClusters += p.active
	case entryStored:
		if clash(bitmap) {
			wrong()
		}
		if !t.aligned(offset) {
			wrong()
			t.astray = true
		}
		if p.active > 0 {
			t.fragments(offset, 1, p.active)
		}
		if t.dataFile {
			if word&entryCopied == 0 {
				t.figures.Corruptions += t.flagged(p)
				t.odd = true
			}
			return
		}
		if p.active > 0 {
			t.copied(word, offset>>t.bits, t.flagged(p))
		}
		if !t.strict && !t.aligned(offset) {
			return
		}
		if first, end := t.region(offset, t.cs, p.weight); mark && end > first {
			t.places.one(first, end-first)
		}
	case entryUnallocated:
		if uint32(bitmap) != 0 {
			wrong()
		}
	}
}

// entryAt returns an L2 entry.
func entryAt(buf []byte, i, size uint64) (word, bitmap uint64) {
	word = be.Uint64(buf[i*size:])
	if size == 16 {
		bitmap = be.Uint64(buf[i*size+8:])
	}
	return word, bitmap
}

// What an L2 entry is to QEMU.
const (
	entryUnallocated = iota
	entryZero        // reads as zeros, and nothing is stored
	entryStored
	entryPacked
)

func (g *geometry) kind(word uint64) int {
	switch offset := word & entryOffset; {
	case word&l2Compressed != 0:
		return entryPacked
	case word&l2Zero != 0 && !g.extended && offset == 0:
		return entryZero
	case offset == 0 && !(g.dataFile && word&entryCopied != 0):
		return entryUnallocated
	}
	return entryStored
}

// suspect reports whether an L2 entry breaks a rule, COPIED aside.
func (g *geometry) suspect(word, bitmap uint64, guest image.GuestOffset) bool {
	offset := word & entryOffset
	if word&l2Compressed != 0 {
		at, length := image.L2Entry{Word: word}.CompressedData(g.bits)
		return word&entryCopied != 0 || bitmap != 0 || g.dataFile ||
			uint64(at)+length > (g.size+sectorSize-1)&^(sectorSize-1) || uint64(at) >= maxHostOffset
	}
	switch {
	case word&l2Reserved != 0, word&l2Zero != 0 && (g.version2 || g.extended), clash(bitmap):
		return true
	case g.kind(word) != entryStored:
		return uint32(bitmap) != 0
	case g.dataFile:
		return offset != uint64(guest)
	}
	return !g.aligned(offset) || offset+g.cs > g.size || offset < g.cs
}

// target returns the clusters that an L2 entry has; none of one that leads
// nowhere.
func (t *tally) target(word, bitmap uint64) (first, end uint64, packed bool) {
	var at, length uint64
	switch t.kind(word) {
	case entryPacked:
		if t.dataFile || bitmap != 0 {
			return 0, 0, false
		}
		o, n := image.L2Entry{Word: word}.CompressedData(t.bits)
		at, length, packed = uint64(o), n, true
	case entryStored:
		at, length = word&entryOffset, t.cs
		if t.dataFile || !t.strict && !t.aligned(at) {
			return 0, 0, false
		}
	default:
		return 0, 0, false
	}
	if t.beyond(at, length) {
		return 0, 0, false
	}
	first, end = t.span(at, length)
	return first, end, packed
}

// shared marks the places of a group of several tables: what they have at one
// index is one place.
func (t *tally) shared(g *l2Group) {
	var had []uint64 // clusters of one index that are marked
	n := uint64(len(g.tables[0].buf)) / t.entry
	for i := range n {
		had = had[:0]
		before := uint64(0)
		for j := range g.tables {
			word, bitmap := entryAt(g.tables[j].buf, i, t.entry)
			if word&^entryCopied == before || word == 0 {
				continue
			}
			before = word &^ entryCopied
			first, end, packed := t.target(word, bitmap)
			for c := first; c < end; c++ {
				if packed {
					t.places.compressed(c)
				} else {
					had = append(had, c)
				}
			}
		}
		t.distinct(had)
	}
}

// distinct marks clusters as having one more place each, however often they
// come.
func (t *tally) distinct(clusters []uint64) {
	if len(clusters) == 1 {
		t.places.one(clusters[0], 1)
		return
	}
	slices.Sort(clusters)
	for i, c := range clusters {
		if i == 0 || c != clusters[i-1] {
			t.places.one(c, 1)
		}
	}
}
