package tui

import (
	"bytes"
	"math"
)

// changes remembers which bytes were seen to change, and what they were before.
// Its memory has a fixed bound: where more changes than fits, what changed
// longest ago is forgotten.
type changes struct {
	blocks map[uint64]*changedBlock // by number
	marked int                      // bytes that are remembered
	lost   bool                     // some are not
}

const (
	changedLength    = 256  // bytes of a block
	maxChangedBlocks = 1024 // 3 MiB of memory
)

// changedBlock is a run of bytes of which some have changed.
type changedBlock struct {
	last  uint32                // the highest of turn
	turn  [changedLength]uint32 // the look that saw the byte change last, 0: none
	when  [changedLength]uint32 // that was so many seconds after the first
	count [changedLength]uint16 // of looks that saw it change
	was   [changedLength]byte   // before it changed last
}

// forget forgets all changes.
func (c *changes) forget() { *c = changes{} }

// compare remembers how bytes from an offset on differ from what they were. What
// is longer than it was is new there and no change.
func (c *changes) compare(at uint64, was, now []byte, turn, when uint32) {
	n := min(len(was), len(now))
	was, now = was[:n], now[:n]
	for len(now) > 0 {
		step := min(len(now), changedLength-int(at%changedLength))
		if !bytes.Equal(was[:step], now[:step]) {
			c.compareBlock(at, was[:step], now[:step], turn, when)
		}
		at, was, now = at+uint64(step), was[step:], now[step:]
	}
}

func (c *changes) compareBlock(at uint64, was, now []byte, turn, when uint32) {
	b := c.block(at / changedLength)
	b.last = turn
	for i := range now {
		if was[i] == now[i] {
			continue
		}
		o := int(at%changedLength) + i
		if b.turn[o] == 0 {
			c.marked++
		}
		if b.count[o] < math.MaxUint16 {
			b.count[o]++
		}
		b.turn[o], b.when[o], b.was[o] = turn, when, was[i]
	}
}

// block returns a block to put changes into.
func (c *changes) block(number uint64) *changedBlock {
	if b := c.blocks[number]; b != nil {
		return b
	}
	if c.blocks == nil {
		c.blocks = map[uint64]*changedBlock{}
	}
	if len(c.blocks) >= maxChangedBlocks {
		c.drop()
	}
	b := &changedBlock{}
	c.blocks[number] = b
	return b
}

// drop forgets the block that changed longest ago.
func (c *changes) drop() {
	oldest, last := uint64(0), uint32(math.MaxUint32)
	for number, b := range c.blocks {
		if b.last < last {
			oldest, last = number, b.last
		}
	}
	for _, turn := range c.blocks[oldest].turn {
		if turn != 0 {
			c.marked--
		}
	}
	delete(c.blocks, oldest)
	c.lost = true
}

// turn returns which look saw the byte at an offset change last, 0 for none.
func (c *changes) turn(at uint64) uint32 {
	if b := c.blocks[at/changedLength]; b != nil {
		return b.turn[at%changedLength]
	}
	return 0
}

// change is what is known of a run of bytes that changed.
type change struct {
	was   []byte // before it changed last
	when  uint32 // that was so many seconds after the first look
	count int    // of looks that saw the byte change that did so most often
}

// of returns what is known of the bytes from an offset on, which now hold what is
// given; false where none of them changed.
func (c *changes) of(at uint64, now []byte) (change, bool) {
	var last uint32
	for i := range now {
		last = max(last, c.turn(at+uint64(i)))
	}
	if last == 0 {
		return change{}, false
	}
	x := change{was: bytes.Clone(now)}
	for i := range now {
		o := at + uint64(i)
		b := c.blocks[o/changedLength]
		if b == nil {
			continue
		}
		x.count = max(x.count, int(b.count[o%changedLength]))
		if b.turn[o%changedLength] == last {
			x.was[i], x.when = b.was[o%changedLength], b.when[o%changedLength]
		}
	}
	return x, true
}
