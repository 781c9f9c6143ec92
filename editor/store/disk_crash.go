package store

import (
	"bytes"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
)

// outcome is a power cut that has not been decided yet: for each thing in doubt
// the number of ways it can end besides as it is on stable storage. The
// last way is that everything survived.
type outcome struct {
	ways  []int
	files []*cached // the image first
	d     *Disk
}

// outcomes lists what is in doubt, always in the same order. The lock is held.
func (d *Disk) outcomes() *outcome {
	o := &outcome{d: d, files: []*cached{d.image}}
	for i := range d.changes {
		if d.changes[i].state != durable {
			o.ways = append(o.ways, 1)
		}
	}
	// Files that no name can lead to after the power cut do not count.
	seen := map[*cached]bool{nil: true}
	add := func(c *cached) {
		if !seen[c] {
			seen[c] = true
			o.files = append(o.files, c)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(d.stable)) {
		add(d.stable[name])
	}
	for _, c := range d.changes {
		add(c.leads[0])
		add(c.leads[1])
	}
	for _, c := range o.files {
		if n := len(c.length.all); n > 0 {
			o.ways = append(o.ways, n)
		}
		for _, at := range c.order() {
			o.ways = append(o.ways, len(c.sectors[at].all))
		}
	}
	return o
}

// disk returns the disk that comes up when picks, one for each of the ways, has
// been decided. The lock is held.
func (o *outcome) disk(picks []int) *Disk {
	next := func() int {
		pick := picks[0]
		picks = picks[1:]
		return pick
	}
	n := &Disk{stop: -1, inode: o.d.inode}
	names := maps.Clone(o.d.stable)
	if names == nil {
		names = map[string]*cached{}
	}
	for i := range o.d.changes {
		c := &o.d.changes[i]
		if c.state == durable || next() == 1 {
			c.apply(names)
		}
	}
	survived := map[*cached]*cached{}
	for _, c := range o.files {
		survived[c] = c.survivor(next)
	}
	n.image = survived[o.d.image]
	n.names = mapped(names, func(c *cached) *cached { return survived[c] })
	n.stable = maps.Clone(n.names)
	return n
}

// survivor is what a power cut leaves of a file.
func (c *cached) survivor(next func() int) *cached {
	data := bytes.Clone(c.stable)
	if len(c.length.all) > 0 {
		if pick := next(); pick > 0 {
			data = sized(data, c.length.all[pick-1])
		}
	}
	for _, at := range c.order() {
		if pick := next(); pick > 0 {
			patched(data, at, c.sectors[at].all[pick-1])
		}
	}
	n := newCached(c.inode, data)
	n.writes = c.writes + 1
	return n
}

// Crash returns a disk as it may come up after a power cut now: each thing in
// doubt ends in one of its ways, all as likely. The receiver is not changed.
func (d *Disk) Crash(r *rand.Rand) *Disk {
	return d.crash(func(o *outcome) []int { return o.random(r) })
}

// CrashAll returns the disk after a power cut that everything survived.
func (d *Disk) CrashAll() *Disk {
	return d.crash(func(o *outcome) []int { return o.ways })
}

// CrashNone returns the disk after a power cut that nothing survived which had
// not been synced.
func (d *Disk) CrashNone() *Disk {
	return d.crash(func(o *outcome) []int { return make([]int, len(o.ways)) })
}

func (d *Disk) crash(picks func(*outcome) []int) *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	o := d.outcomes()
	return o.disk(picks(o))
}

// CrashStates returns the disks that may come up after a power cut now: each of
// them where there are no more than limit. Else it is limit of them, and some
// may be alike: first those where nothing and where everything survived, then
// as far as half of the limit goes those where only one thing survived or only
// one was lost, which is what a missing sync shows in; the rest are random. The
// disk must not be used before the sequence ends.
func (d *Disk) CrashStates(limit int, r *rand.Rand) iter.Seq[*Disk] {
	return func(yield func(*Disk) bool) {
		d.mu.Lock()
		o := d.outcomes()
		d.mu.Unlock()
		picks := o.all
		if o.count(limit) > limit {
			picks = o.sample(limit, r)
		}
		for p := range picks {
			d.mu.Lock()
			next := o.disk(p)
			d.mu.Unlock()
			if !yield(next) {
				return
			}
		}
	}
}

// count returns how many states there are, or more than limit.
func (o *outcome) count(limit int) int {
	n := 1
	for _, ways := range o.ways {
		if n *= ways + 1; n > limit {
			break
		}
	}
	return n
}

func (o *outcome) random(r *rand.Rand) []int {
	picks := make([]int, len(o.ways))
	for i, ways := range o.ways {
		picks[i] = r.IntN(ways + 1)
	}
	return picks
}

// all counts through the states, from nothing to everything survived.
func (o *outcome) all(yield func([]int) bool) {
	picks := make([]int, len(o.ways))
	for {
		if !yield(picks) {
			return
		}
		i := 0
		for ; i < len(picks) && picks[i] == o.ways[i]; i++ {
			picks[i] = 0
		}
		if i == len(picks) {
			return
		}
		picks[i]++
	}
}

// sample yields limit of the states.
func (o *outcome) sample(limit int, r *rand.Rand) iter.Seq[[]int] {
	return func(yield func([]int) bool) {
		none := make([]int, len(o.ways))
		extremes := [][]int{none, o.ways}
		// Where there is no room for each thing, chance says which.
		for _, i := range r.Perm(len(o.ways)) {
			if len(extremes)+2 > limit/2 {
				break
			}
			one, others := slices.Clone(none), slices.Clone(o.ways)
			one[i], others[i] = o.ways[i], 0
			extremes = append(extremes, one, others)
		}
		for i := range limit {
			if i < len(extremes) {
				if !yield(extremes[i]) {
					return
				}
			} else if !yield(o.random(r)) {
				return
			}
		}
	}
}
