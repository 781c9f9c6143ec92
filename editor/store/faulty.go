package store

import "sync"

// Faulty is an image whose operations can be made to fail. The zero hook lets
// all of them pass; each is counted.
type Faulty struct {
	Image
	// Fail returns the error of the n-th operation, counted from 0, or nil to
	// let it pass. A read or write that fails has done half of its bytes.
	Fail func(n int, c Call) error

	mu    sync.Mutex
	calls []Call
}

// Calls returns the operations so far, failed ones included.
func (f *Faulty) Calls() []Call {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]Call(nil), f.calls...)
}

func (f *Faulty) call(c Call) error {
	f.mu.Lock()
	n := len(f.calls)
	f.calls = append(f.calls, c)
	f.mu.Unlock()
	if f.Fail == nil {
		return nil
	}
	return f.Fail(n, c)
}

// ReadAt fails, with half of the bytes read, or reads.
func (f *Faulty) ReadAt(p []byte, off int64) (int, error) {
	return f.transfer(OpRead, f.Image.ReadAt, p, off)
}

func (f *Faulty) transfer(op Op, do func([]byte, int64) (int, error), p []byte, off int64) (int, error) {
	if err := f.call(Call{Op: op, Offset: off, Length: len(p)}); err != nil {
		n, _ := do(p[:len(p)/2], off)
		return n, err
	}
	return do(p, off)
}

// Size fails or returns the length in bytes.
func (f *Faulty) Size() (int64, error) {
	if err := f.call(Call{Op: OpSize}); err != nil {
		return 0, err
	}
	return f.Image.Size()
}

// OpenWriter fails or returns a writer whose operations can fail too.
func (f *Faulty) OpenWriter() (Writer, error) {
	if err := f.call(Call{Op: OpOpen}); err != nil {
		return nil, err
	}
	w, err := f.Image.OpenWriter()
	if err != nil {
		return nil, err
	}
	return &faultyWriter{f, w}, nil
}

// Identity fails or returns that of the image, if it has one.
func (f *Faulty) Identity() (Identity, error) {
	if err := f.call(Call{Op: OpStat}); err != nil {
		return Identity{}, err
	}
	return identity(f.Image)
}

// Stamp fails or returns that of the image, if it has one.
func (f *Faulty) Stamp() (Stamp, error) {
	if err := f.call(Call{Op: OpStat}); err != nil {
		return Stamp{}, err
	}
	return stamp(f.Image)
}

type faultyWriter struct {
	f *Faulty
	w Writer
}

func (w *faultyWriter) ReadAt(p []byte, off int64) (int, error) {
	return w.f.transfer(OpRead, w.w.ReadAt, p, off)
}

func (w *faultyWriter) WriteAt(p []byte, off int64) (int, error) {
	return w.f.transfer(OpWrite, w.w.WriteAt, p, off)
}

func (w *faultyWriter) Truncate(size int64) error {
	if err := w.f.call(Call{Op: OpTruncate, Offset: size}); err != nil {
		return err
	}
	return w.w.Truncate(size)
}

func (w *faultyWriter) Sync() error {
	if err := w.f.call(Call{Op: OpSync}); err != nil {
		return err
	}
	return w.w.Sync()
}

func (w *faultyWriter) Close() error {
	err := w.f.call(Call{Op: OpClose})
	if closeErr := w.w.Close(); err == nil {
		err = closeErr
	}
	return err
}
