package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"strings"

	"github.com/spf13/cobra"

	"qedit/editor"
	"qedit/editor/store"
	"qedit/header"
	"qedit/image"
	"qedit/review"
	"qedit/search"
)

func newExport(env Env, flags *sessionFlags) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "export FILE RANGE OUT",
		Short: "Write bytes of the image, or of what the guest reads, to a new file",
		Long: `Write the bytes of a range to the file OUT: 0x10000..0x20000, l1[0].l2..+64K, a
structure by its name, or guest:0..end for what the guest reads, see
"qedit help expressions". Zeros become holes. An existing file is replaced only
with --force, and never the image or a file that it names. With - for OUT the
bytes go to standard output. What cannot be read, such as a backing file, which
is not opened, is an error: nothing is made up.

Exit codes: 0 done; 1 failed, and no file is left; 2 wrong usage; 130
interrupted.`,
		Example: "  qedit export disk.qcow2 guest:0..+512 boot.bin\n  qedit export disk.qcow2 'l1[0].l2' l2.bin\n  qedit export disk.qcow2 guest:0..+512 - | file -",
		Args:    exactly(3, "FILE, RANGE and OUT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			path, out := args[0], args[2]
			if out == "-" && isTerminal(env.Stdout) {
				return &usageError{errors.New("a terminal would obey the bytes; send standard output to a file or a program"), cmd}
			}
			s, scope, err := flags.lookScope(path)
			if err != nil {
				return err
			}
			defer s.Close()
			r, err := scope.FindRange(args[1])
			switch {
			case err != nil:
				return err
			case r.Length == 0:
				return fmt.Errorf("%s names a place, and not how many bytes; %s..+LENGTH says that", header.Quote(args[1]), args[1])
			case r.Length > math.MaxInt64-max(uint64(r.Place.Offset), uint64(r.Place.Guest)):
				return errors.New("the range is too long")
			}
			if out == "-" {
				ctx, stop := interruptible(cmd)
				defer stop()
				return writeRange(ctx, env.Stdout, s, scope.Image, r)
			}
			ctx, stop := interruptible(cmd)
			defer stop()
			meter := newMeter(env, "writing "+header.Printable(out))
			err = writeNew(s, path, out, force, func(o *store.Output) error {
				defer meter.end()
				if r.OnDisk {
					from, disk := int64(r.Place.Guest), image.Disk{Image: scope.Image, Snapshot: r.Place.Snapshot}
					return store.Copy(ctx, o, disk, from, from+int64(r.Length),
						max(1<<20, int64(scope.Image.ClusterSize())), disk.Data, meter.progress)
				}
				from := int64(r.Place.Offset)
				var data func(int64) (int64, int64, error)
				if holes, ok := s.Base().(search.Holes); ok {
					data = holes.Data
				}
				return store.Copy(ctx, o, s.View(), from, from+int64(r.Length), 0, data, meter.progress)
			})
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(env.Stdout, "%s of %s written to %s\n", header.FormatSize(r.Length), r.Expression(), header.Printable(out))
			return err
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "replace an existing file")
	return cmd
}

// writeNew writes a file that is not there yet, or replaces one by force, but none
// that the image is made of.
func writeNew(s *editor.Session, path, out string, force bool, write func(*store.Output) error) error {
	g := store.Guard{Image: path, MadeOf: image.NamedFiles(s.Area().Header, path)}
	err := g.Write(out, force, write)
	if errors.Is(err, fs.ErrExist) && !force {
		return fmt.Errorf("%s exists; --force replaces it", header.Quote(out))
	}
	return err
}

// writeRange writes the bytes of a range, as far as they can be read.
func writeRange(ctx context.Context, w io.Writer, s *editor.Session, im *image.Image, r image.Range) error {
	from, at := io.ReaderAt(s.View()), int64(r.Place.Offset)
	if r.OnDisk {
		from, at = image.Disk{Image: im, Snapshot: r.Place.Snapshot}, int64(r.Place.Guest)
	}
	buf := make([]byte, min(r.Length, 1<<20))
	for end := at + int64(r.Length); at < end; {
		if err := ctx.Err(); err != nil {
			return err
		}
		p := buf[:min(int64(len(buf)), end-at)]
		n, err := from.ReadAt(p, at)
		if _, err := w.Write(p[:n]); err != nil {
			return err
		}
		if n < len(p) {
			return fmt.Errorf("%d bytes are written; at 0x%x: %w", int64(r.Length)-(end-at)+int64(n), at+int64(n), cmp.Or(err, io.ErrUnexpectedEOF))
		}
		at += int64(n)
	}
	return nil
}

func newImport(env Env, flags *sessionFlags) *cobra.Command {
	var out *choice
	var dryRun, raw bool
	cmd := &cobra.Command{
		Use:   "import FILE PLACE IN",
		Short: "Put the bytes of a file over a place, and save",
		Long: `Put the bytes of the file IN, - for standard input, over those at a place, as
one transaction, and save that. The image does not grow: all bytes must fit. A
range as the place must be as long as the file is. On the virtual disk
(guest:1M) only clusters that are stored as they are, and are no one else's, are
written to; none is allocated. Bytes of a table are not looked at, but an image
that QEMU opens is not made one that it does not.

It is refused where it breaks rules that hold now; --raw allows that. Up to
4 MiB are put at once.

Exit codes: 0 done, or nothing to do; 1 failed or refused, nothing was written;
2 wrong usage.`,
		Example: "  qedit import --dry-run disk.qcow2 guest:0 boot.bin\n  qedit import disk.qcow2 'l1[0].l2' l2.bin",
		Args:    exactly(3, "FILE, PLACE and IN"),
		RunE: func(cmd *cobra.Command, args []string) error {
			data, err := readInput(env, args[2], int64(editor.MaxOver.Bytes))
			if err == nil && len(data) == 0 {
				err = fmt.Errorf("%s is empty", header.Quote(args[2]))
			}
			if err != nil {
				return nothingWritten(err)
			}
			s, err := flags.edit(args[0], dryRun)
			if err != nil {
				return err
			}
			defer s.Close()
			ctx, stop := interruptible(cmd)
			defer stop()
			scope := image.Scope{Area: s.Area(), Size: s.Size()}
			if im, err := image.New(s.View(), s.Size(), s.Area()); err == nil {
				scope.Image = im
			}
			pieces, err := piecesAt(ctx, scope, args[1], data)
			if err != nil {
				return nothingWritten(err)
			}
			t, err := editor.Over(fmt.Sprintf("import %s at %s", header.Count(len(data), "byte"), args[1]), s.View(), pieces, editor.MaxOver)
			if err != nil {
				return nothingWritten(err)
			}
			t.Raw = raw
			if err := s.Apply(t); err != nil {
				return refusal(err)
			}
			if !raw {
				if err := stillOpens(ctx, s); err != nil {
					return nothingWritten(err)
				}
			}
			return saveAndPrint(env, flags, out, args[0], s, dryRun)
		},
	}
	cmd.Flags().BoolVarP(&dryRun, "dry-run", "n", false, "print the plan, write nothing")
	cmd.Flags().BoolVar(&raw, "raw", false, "allow what breaks rules")
	out = addOutput(cmd, "text", "json")
	return cmd
}

// piecesAt returns where bytes go that are to stand at a place.
func piecesAt(ctx context.Context, scope image.Scope, expr string, data []byte) ([]editor.Piece, error) {
	n := uint64(len(data))
	ranged := image.IsRange(expr)
	var r image.Range
	var err error
	if onDisk := strings.HasPrefix(strings.TrimSpace(expr), "guest:") && scope.Image != nil; onDisk && !ranged {
		r.OnDisk = true
		r.Place.Guest, r.Place.Snapshot, err = scope.FindGuest(expr, image.Active)
	} else {
		r, err = scope.FindRange(expr)
	}
	switch {
	case err != nil:
		return nil, err
	case ranged && r.Length != n:
		return nil, fmt.Errorf("the range has %d bytes, the file %d", r.Length, n)
	case !r.OnDisk && n > uint64(scope.Size)-uint64(r.Place.Offset):
		return nil, fmt.Errorf("%d bytes at %v reach past the end of the image at 0x%x; images do not grow", n, r.Place.Offset, scope.Size)
	case !r.OnDisk:
		return []editor.Piece{{Offset: r.Place.Offset, Bytes: data}}, nil
	case r.Place.Snapshot != image.Active:
		return nil, errors.New("a snapshot is not changed; only the active disk is")
	}
	return review.GuestPieces(ctx, scope.Image, r.Place.Guest, data)
}
