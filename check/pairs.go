package check

import "slices"

// Clusters are kept track of in pages, so that what was never touched, and what
// is all alike, takes no memory. A page is a quarter of what an L2 table of 64 KiB
// leads to, so that most pages have none of the L2 tables, which lie between data.
const (
	pageBits     = 11
	pageClusters = 1 << pageBits
	pageWords    = pageClusters / 32
	lowBits      = 0x5555555555555555 // the lower bit of each pair
)

// pairs holds a number from 0 to 3 for each cluster.
type pairs struct {
	pages []pairPage
	free  []*[pageWords]uint64 // pages that became all alike
}

// pairPage is a page of pairs; without words all of it has the value.
type pairPage struct {
	words *[pageWords]uint64
	value uint64
}

func newPairs(clusters uint64) pairs {
	return pairs{pages: make([]pairPage, (clusters+pageClusters-1)>>pageBits)}
}

// clone returns pairs that can be changed by themselves.
func (p *pairs) clone() pairs {
	pages := slices.Clone(p.pages)
	for i := range pages {
		if words := pages[i].words; words != nil {
			copied := *words
			pages[i].words = &copied
		}
	}
	return pairs{pages: pages}
}

// get returns the number of a cluster, 0 past the last one.
func (p *pairs) get(c uint64) uint64 {
	if c>>pageBits >= uint64(len(p.pages)) {
		return 0
	}
	page := &p.pages[c>>pageBits]
	if page.words == nil {
		return page.value
	}
	return page.words[c>>5&(pageWords-1)] >> (c & 31 * 2) & 3
}

func (p *pairs) set(c, v uint64) {
	words := p.dense(c >> pageBits)
	w, shift := &words[c>>5&(pageWords-1)], c&31*2
	*w = *w&^(3<<shift) | v<<shift
}

// dense returns the words of a page, and makes them where there are none.
func (p *pairs) dense(i uint64) *[pageWords]uint64 {
	page := &p.pages[i]
	if page.words == nil {
		if n := len(p.free); n > 0 {
			page.words, p.free = p.free[n-1], p.free[:n-1]
		} else {
			page.words = new([pageWords]uint64)
		}
		fill := page.value * lowBits
		for j := range page.words {
			page.words[j] = fill
		}
	}
	return page.words
}

// settle gives up the words of a page that is all alike.
func (p *pairs) settle(i uint64) {
	page := &p.pages[i]
	if page.words == nil {
		return
	}
	first := page.words[0]
	if first&3*lowBits != first {
		return
	}
	for _, w := range page.words {
		if w != first {
			return
		}
	}
	p.free = append(p.free, page.words)
	page.words, page.value = nil, first&3
}

// fill gives the clusters [c, c+n) the number v.
func (p *pairs) fill(c, n, v uint64) {
	for n > 0 {
		i, in := c>>pageBits, c&(pageClusters-1)
		m := min(n, pageClusters-in)
		if m == pageClusters {
			page := &p.pages[i]
			if page.words != nil {
				p.free = append(p.free, page.words)
			}
			page.words, page.value = nil, v
		} else if page := &p.pages[i]; page.words != nil || page.value != v {
			words := p.dense(i)
			eachWord(in, m, func(w int, mask uint64) {
				words[w] = words[w]&^mask | v*lowBits&mask
			})
			if in+m == pageClusters {
				p.settle(i)
			}
		}
		c, n = c+m, n-m
	}
}

// all reports whether the clusters [c, c+n) have the number v.
func (p *pairs) all(c, n, v uint64) bool {
	if n == 1 {
		return p.get(c) == v
	}
	for n > 0 {
		i, in := c>>pageBits, c&(pageClusters-1)
		if i >= uint64(len(p.pages)) {
			return v == 0
		}
		m := min(n, pageClusters-in)
		if page := &p.pages[i]; page.words == nil {
			if page.value != v {
				return false
			}
		} else {
			same := true
			eachWord(in, m, func(w int, mask uint64) {
				same = same && (page.words[w]^v*lowBits)&mask == 0
			})
			if !same {
				return false
			}
		}
		c, n = c+m, n-m
	}
	return true
}

// eachWord hands on the words that hold the pairs [in, in+m) of a page, with
// the bits of them that are meant.
func eachWord(in, m uint64, yield func(w int, mask uint64)) {
	for end := in + m; in < end; {
		upto := min((in|31)+1, end)
		mask := ^uint64(0) << (in & 31 * 2)
		if rest := upto & 31; rest != 0 {
			mask &= 1<<(rest*2) - 1
		}
		yield(int(in>>5), mask)
		in = upto
	}
}

// States of a cluster among the places that point at it. Compressed data may
// share a cluster with other compressed data, all else has one place only; what
// trees share at one guest offset is one place.
const (
	placeNone       = 0
	placeCompressed = 1
	placeOne        = 2
	placeConflict   = 3
)

// places holds the state of each cluster.
type places struct {
	pairs
	conflicts uint64 // of clusters
}

// one marks the clusters [c, c+n) as having one more place that excludes others.
func (p *places) one(c, n uint64) {
	for n > 0 {
		i, in := c>>pageBits, c&(pageClusters-1)
		m := min(n, pageClusters-in)
		words := p.dense(i)
		eachWord(in, m, func(w int, mask uint64) {
			if words[w]&mask == 0 {
				words[w] |= placeOne * lowBits & mask
				return
			}
			for shift := uint64(0); shift < 64; shift += 2 {
				if mask>>shift&3 == 0 {
					continue
				}
				switch words[w] >> shift & 3 {
				case placeNone:
					words[w] |= placeOne << shift
				case placeCompressed, placeOne:
					words[w] |= placeConflict << shift
					p.conflicts++
				}
			}
		})
		if in+m == pageClusters {
			p.settle(i)
		}
		c, n = c+m, n-m
	}
}

// compressed marks a cluster as holding compressed data.
func (p *places) compressed(c uint64) {
	switch p.get(c) {
	case placeNone:
		p.set(c, placeCompressed)
	case placeOne:
		p.set(c, placeConflict)
		p.conflicts++
	}
}

// counts holds how often each cluster is referenced. A page that is all alike has any
// number. In others numbers from 3 on lie outside of the pairs: a few in a map, many
// of a page in an array of their own.
type counts struct {
	pairs
	over map[uint64]uint64 // by cluster
	few  map[uint64]int    // number of those in over, by page
	wide []*widePage       // by page; nil where there are none
}

// maxFew is the number of large counts of a page that are kept one by one: where
// all pages have some, a map of more would take more than their arrays.
const maxFew = pageClusters / 1024

func newCounts(clusters uint64) counts {
	return counts{pairs: newPairs(clusters), over: map[uint64]uint64{}, few: map[uint64]int{}}
}

// get returns how often a cluster is referenced.
func (n *counts) get(c uint64) uint64 {
	v := n.pairs.get(c)
	if v < 3 || n.pages[c>>pageBits].words == nil {
		return v
	}
	if w := n.wideOf(c >> pageBits); w != nil {
		return w.get(c & (pageClusters - 1))
	}
	return n.over[c]
}

// wideOf returns the large counts of a page, nil where they are kept one by one.
func (n *counts) wideOf(page uint64) *widePage {
	if n.wide == nil {
		return nil
	}
	return n.wide[page]
}

// setWide keeps the large counts of a page; nil: it has none any more.
func (n *counts) setWide(page uint64, w *widePage) {
	if n.wide == nil {
		n.wide = make([]*widePage, len(n.pages))
	}
	n.wide[page] = w
}

// add counts times references to each of the clusters [c, c+count).
func (n *counts) add(c, count, times uint64) {
	for count > 0 {
		i, in := c>>pageBits, c&(pageClusters-1)
		m := min(count, pageClusters-in)
		if page := &n.pages[i]; m == pageClusters && page.words == nil {
			page.value = sum(page.value, times)
		} else {
			n.addIn(i, in, m, times)
		}
		c, count = c+m, count-m
	}
}

func (n *counts) addIn(i, in, m, times uint64) {
	words := n.open(i)
	eachWord(in, m, func(w int, mask uint64) {
		if times == 1 && words[w]&mask&^lowBits == 0 {
			words[w] += lowBits & mask
			return
		}
		for shift := uint64(0); shift < 64; shift += 2 {
			if mask>>shift&3 == 0 {
				continue
			}
			v := words[w] >> shift & 3
			if v+times < 3 && times < 3 {
				words[w] += times << shift
				continue
			}
			words[w] |= 3 << shift
			n.addLarge(i, uint64(w)<<5|shift>>1, v, times)
		}
	})
	if in+m == pageClusters {
		n.close(i)
	}
}

// open returns the words of a page, where it was all alike as well.
func (n *counts) open(i uint64) *[pageWords]uint64 {
	page := &n.pages[i]
	if page.words == nil && page.value > 2 {
		w := &widePage{bits: 4}
		w.fill(page.value)
		n.setWide(i, w)
		page.value = 3
	}
	return n.dense(i)
}

// close gives up the words of a page that is all alike.
func (n *counts) close(i uint64) {
	page, w := &n.pages[i], n.wideOf(i)
	if page.words[0] != 3*lowBits {
		n.settle(i)
		return
	}
	if w == nil || !w.alike() {
		return
	}
	if n.settle(i); page.words == nil {
		page.value = w.get(0)
		n.setWide(i, nil)
	}
}

// addLarge counts references to a cluster whose count does not fit, or no
// longer fits, into a pair, where it was v.
func (n *counts) addLarge(i, in, v, times uint64) {
	c := i<<pageBits | in
	if w := n.wideOf(i); w != nil {
		if v == 3 {
			v = w.get(in)
		}
		w.set(in, sum(v, times))
		return
	}
	if v == 3 {
		n.over[c] = sum(n.over[c], times)
		return
	}
	if n.few[i] < maxFew {
		n.few[i]++
		n.over[c] = sum(v, times)
		return
	}
	w := &widePage{bits: 4, words: make([]uint64, pageClusters/16)}
	for in := range uint64(pageClusters) {
		if o, ok := n.over[i<<pageBits|in]; ok {
			w.set(in, o)
			delete(n.over, i<<pageBits|in)
		}
	}
	delete(n.few, i)
	w.set(in, sum(v, times))
	n.setWide(i, w)
}

func sum(a, b uint64) uint64 {
	if a+b < a {
		return ^uint64(0)
	}
	return a + b
}

// widePage holds the counts of a page in 4, 8, 16, 32 or 64 bits each.
type widePage struct {
	bits  uint64
	words []uint64
}

func (w *widePage) get(in uint64) uint64 {
	at := in * w.bits
	return w.words[at>>6] >> (at & 63) & (1<<w.bits - 1)
}

func (w *widePage) set(in, v uint64) {
	for w.bits < 64 && v>>w.bits != 0 {
		wider := widePage{w.bits * 2, make([]uint64, len(w.words)*2)}
		for j := range uint64(pageClusters) {
			wider.set(j, w.get(j))
		}
		*w = wider
	}
	at := in * w.bits
	word := &w.words[at>>6]
	*word = *word&^((1<<w.bits-1)<<(at&63)) | v<<(at&63)
}

// fill gives all clusters of the page one number.
func (w *widePage) fill(v uint64) {
	for w.bits < 64 && v>>w.bits != 0 {
		w.bits *= 2
	}
	w.words = make([]uint64, pageClusters/64*w.bits)
	for shift := uint64(0); shift < 64; shift += w.bits {
		w.words[0] |= v << shift
	}
	for i := range w.words {
		w.words[i] = w.words[0]
	}
}

// alike reports whether all clusters of the page have one number.
func (w *widePage) alike() bool {
	first := w.words[0]
	if w.bits < 64 && first>>w.bits != first&(1<<(64-w.bits)-1) {
		return false
	}
	for _, word := range w.words {
		if word != first {
			return false
		}
	}
	return true
}
