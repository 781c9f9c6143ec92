package tui

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	tea "charm.land/bubbletea/v2"
)

// job is work in the background: a key is never held up by it.
type job struct {
	cancel   context.CancelFunc
	finished chan struct{}
	ended    func(*Model) tea.Cmd // takes the result, on the screen's goroutine
	moved    func(*Model)         // takes what there is of it so far, there too; nil: nothing

	done, total atomic.Uint64
}

// jobMsg says that a job goes on, or that it is done.
type jobMsg struct{ *job }

// progressEvery is how often the progress of a job is drawn.
const progressEvery = 100 * time.Millisecond

// begin starts a job. What work returns is run once it is done, unless the job
// was dropped before.
func begin(work func(ctx context.Context, progress func(done, total uint64)) func(*Model) tea.Cmd) (*job, tea.Cmd) {
	ctx, cancel := context.WithCancel(context.Background())
	j := &job{cancel: cancel, finished: make(chan struct{})}
	go func() {
		defer close(j.finished)
		j.ended = work(ctx, func(done, total uint64) {
			j.done.Store(done)
			j.total.Store(total)
		})
	}()
	return j, j.wait
}

// wait returns when the job is done, or when it is time to draw how far it is.
func (j *job) wait() tea.Msg {
	select {
	case <-j.finished:
	case <-time.After(progressEvery):
	}
	return jobMsg{j}
}

// drop ends a job whose result is not wanted; nil is no job.
func (j *job) drop() {
	if j != nil {
		j.cancel()
	}
}

// share is how much of a job is done, of as many parts.
func (j *job) share(parts uint64) uint64 {
	total := max(j.total.Load(), 1)
	return min(uint64(float64(j.done.Load())/float64(total)*float64(parts)), parts)
}

// jobs returns what may go on in the background; nil is no job.
func (m *Model) jobs() []*job {
	all := []*job{
		m.clusters.job, m.pointing, m.beyond.search.job, m.beyond.owners.job, m.checks.job, m.whatIf.job, m.mending, m.searching.job,
		m.comparing.job, m.comparing.facing.job, m.comparing.folder.job, m.transfer.reading, m.transfer.export, m.transfer.facts.job, m.others.opening,
	}
	if d := m.comparing.list; d != nil {
		all = append(all, d.job)
	}
	return all
}

// jobMoved handles news of a job.
func (m *Model) jobMoved(msg jobMsg) tea.Cmd {
	if msg.job == nil || !slices.Contains(m.jobs(), msg.job) {
		return nil // it was dropped
	}
	select {
	case <-msg.finished:
		msg.cancel()
		return msg.ended(m)
	default:
		if msg.moved != nil {
			msg.moved(m)
		}
		return msg.wait
	}
}
