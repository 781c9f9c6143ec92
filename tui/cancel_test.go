package tui

import (
	"context"
	"encoding/binary"
	"io"
	"sync"
	"testing"

	tea "charm.land/bubbletea/v2"

	"qedit/check"
	"qedit/header"
)

// tebibyte is an image of 1 TiB with all its tables, 160 MiB of them, and a file
// of which nothing is in memory. Each L2 table is followed by its data, as
// qemu-img create -o preallocation=metadata does it.
type tebibyte struct {
	mu     sync.Mutex
	read   int64         // bytes so far
	stop   int64         // the read that passes it waits
	reach  chan struct{} // closed there
	goOn   chan struct{}
	after  int64 // bytes of reads that began later
	waited bool
}

const (
	tibBits     = 16
	tibTables   = 2048
	tibEntries  = 8192
	tibBlocks   = 513 // of refcounts
	tibClusters = 3 + tibTables*(tibEntries+1) + tibBlocks
)

func (f *tebibyte) ReadAt(p []byte, off int64) (int, error) {
	f.mu.Lock()
	if f.waited {
		f.after += int64(len(p))
	}
	f.read += int64(len(p))
	wait := !f.waited && f.read >= f.stop
	f.waited = f.waited || wait
	f.mu.Unlock()
	if wait {
		close(f.reach)
		<-f.goOn
	}
	be := binary.BigEndian
	for i := range p {
		at := uint64(off) + uint64(i)
		cluster, in := at>>tibBits, at&(1<<tibBits-1)
		var word uint64
		switch first := uint64(tibClusters - tibBlocks); {
		case cluster >= tibClusters:
			return i, io.EOF
		case cluster >= first: // refcounts of 16 bits
			if n := (cluster-first)<<(tibBits-1) + in/2; n < tibClusters {
				word = 0x0001_0001_0001_0001
			}
		case cluster == 1:
			if in/8 < tibBlocks {
				word = (first + in/8) << tibBits
			}
		case cluster == 2:
			word = (3+in/8*(tibEntries+1))<<tibBits | 1<<63
			if in/8 >= tibTables {
				word = 0
			}
		case cluster > 2 && (cluster-3)%(tibEntries+1) == 0:
			word = (cluster+1+in/8)<<tibBits | 1<<63
		}
		var b [8]byte
		be.PutUint64(b[:], word)
		p[i] = b[in&7]
	}
	copy(p, f.head()[min(off, 104):])
	return len(p), nil
}

func (f *tebibyte) head() []byte {
	be := binary.BigEndian
	h := make([]byte, 104)
	be.PutUint32(h, header.Magic)
	be.PutUint32(h[4:], 3)
	be.PutUint32(h[20:], tibBits)
	be.PutUint64(h[24:], 1<<40)
	be.PutUint32(h[36:], tibTables)
	be.PutUint64(h[40:], 2<<tibBits)
	be.PutUint64(h[48:], 1<<tibBits)
	be.PutUint32(h[56:], 1)
	be.PutUint32(h[96:], 4)
	be.PutUint32(h[100:], 104)
	return h
}

// Esc ends a check of a large image wherever that is: what is read after it is
// what was under way.
func TestEscEndsReading(t *testing.T) {
	for _, stop := range []int64{1, 1 << 20, 16 << 20, 40 << 20, 48 << 20} {
		ends(t, "a check", func() {
			file := &tebibyte{stop: stop, reach: make(chan struct{}), goOn: make(chan struct{})}
			s := openScreen(t, "full", 80, 24)
			s.checks.run = func(ctx context.Context, _ io.ReaderAt, _ int64, _ *header.Area, o check.Options) (*check.Result, error) {
				return check.Run(ctx, file, tibClusters<<tibBits, header.NewArea(append(file.head(), make([]byte, 1<<tibBits-104)...)), o)
			}
			s.Update(tea.KeyPressMsg{Code: tea.KeyF9})
			j := s.checks.job
			<-file.reach
			s.Update(tea.KeyPressMsg{Code: tea.KeyEscape})
			close(file.goOn)
			<-j.finished
			s.send(jobMsg{j})
			s.want("given up")
			t.Logf("%d of %d bytes were read after Esc", file.after, file.read)
			if file.after > 1<<20 {
				t.Errorf("after %d bytes: %d more are read after Esc", stop, file.after)
			}
		})
	}
}
