package image

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"

	"qedit/header"
)

// maxWindow bounds the memory that a zstd frame can ask for, bytes; what fits
// in a cluster needs no more than 2 MiB.
const maxWindow = 8 << 20

// inflater decompresses clusters and keeps the last one. Its memory has a fixed
// bound: two clusters, and the window.
type inflater struct {
	flate io.ReadCloser
	zstd  *zstd.Decoder

	at, end header.HostOffset // of the data of the cluster that is kept
	out     []byte            // nil: none is kept
	in, buf []byte
}

// drop forgets the cluster if its data has changed.
func (f *inflater) drop(at, end header.HostOffset) {
	if f != nil && f.at < end && at < f.end {
		f.out = nil
	}
}

// decompress returns the bytes of a compressed cluster, valid until the next
// call. The error says why there are none (specification, "Compressed
// clusters").
func (im *Image) decompress(c *Chain) ([]byte, error) {
	if im.inflate == nil {
		im.inflate = new(inflater)
	}
	f := im.inflate
	end := c.Host + header.HostOffset(c.Stored)
	if f.out != nil && f.at == c.Host && f.end == end {
		return f.out, nil
	}
	f.out = nil
	cs := int(im.ClusterSize())
	n := c.Stored
	if size := uint64(im.size); uint64(c.Host)+n > size {
		n = size - uint64(c.Host) // the last sector may be cut short
	}
	if uint64(cap(f.in)) < n {
		f.in = make([]byte, n)
	}
	in := f.in[:n]
	if err := readFull(im.r, in, int64(c.Host)); err != nil {
		return nil, err
	}
	if f.buf == nil {
		f.buf = make([]byte, cs)
	}
	out := f.buf
	got, err := f.inflate(out, in, im.h.CompressionType)
	if got < cs {
		if err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = fmt.Errorf("it ends after %d of %d bytes", got, cs)
		}
		return nil, fmt.Errorf("compressed data at %v: %w", c.Host, err)
	}
	f.at, f.end, f.out = c.Host, end, out
	return out, nil
}

// inflate fills out from a compressed stream, behind which anything may follow.
func (f *inflater) inflate(out, in []byte, method header.CompressionType) (int, error) {
	switch method {
	case header.Deflate:
		if f.flate == nil {
			f.flate = flate.NewReader(bytes.NewReader(in))
		} else if err := f.flate.(flate.Resetter).Reset(bytes.NewReader(in), nil); err != nil {
			return 0, err
		}
		return io.ReadFull(f.flate, out)
	case header.Zstd:
		if f.zstd == nil {
			d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
				zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderMaxMemory(maxWindow))
			if err != nil {
				return 0, err
			}
			f.zstd = d
		}
		// A plain reader: of a bytes.Buffer the whole would be decoded at once.
		if err := f.zstd.Reset(io.MultiReader(bytes.NewReader(in))); err != nil {
			return 0, err
		}
		n, err := io.ReadFull(f.zstd, out)
		_ = f.zstd.Reset(nil) // lets go of in
		return n, err
	}
	return 0, fmt.Errorf("compression type %d is not known", method)
}
