package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"qedit/editor"
	"qedit/header"
	"qedit/image"
)

// mapCommand is a run of map.
type mapCommand struct {
	env        Env
	path       string
	image      *image.Image
	storage    image.Storage // nil: not known
	snapshot   int
	compressed bool
	json       bool
}

func newMap(env Env, flags *sessionFlags) *cobra.Command {
	var out *choice
	var clusters, compressed bool
	var snapshot string
	cmd := &cobra.Command{
		Use:   "map FILE",
		Short: "Print what is stored where, by guest offset or by cluster",
		Long: `Print the runs of the virtual disk and where each is stored. json is that of
qemu-img map, byte for byte: start, length, depth, present, zero, data, offset,
and with --compressed the member that qemu-img 8.2 and later has. Nothing that
the image names is opened: what the image does not have is printed as for an
image without backing file, present false and zero true. A run that cannot be
read, where qemu-img gives up, has a member "problem".

The text is qemu-img's table of what is stored, with compressed and encrypted
runs marked instead of refused.

--clusters prints what each cluster of the file is, runs of the same kind as one
line: host offset, length, number of clusters, letter and kind. The letters are
those of the map on the screen; an upper case D or C, or one of * % & + is
shared, ! has owners that exclude each other.

Exit codes: 0 done; 1 failed, or a part of the tables cannot be read; 2 wrong
usage; 130 interrupted.`,
		Example: "  qedit map -o json disk.qcow2\n  qedit map --snapshot before-update disk.qcow2\n  qedit map --clusters disk.qcow2",
		Args:    exactly(1, "FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if clusters && snapshot != "" {
				return &usageError{errors.New("--clusters is of the whole file; leave --snapshot out"), cmd}
			}
			s, im, err := flags.lookImage(args[0])
			if err != nil {
				return err
			}
			defer s.Close()
			ctx, stop := interruptible(cmd)
			defer stop()
			m := mapCommand{env: env, path: args[0], image: im, snapshot: image.Active, compressed: compressed, json: out.value == "json"}
			m.storage, _ = s.Base().(image.Storage)
			if clusters {
				return m.clusters(ctx)
			}
			if snapshot != "" {
				if m.snapshot, err = im.FindSnapshot(snapshot); err != nil {
					return err
				}
			}
			return m.guest(ctx)
		},
	}
	out = addOutput(cmd, "text", "json")
	cmd.Flags().BoolVar(&clusters, "clusters", false, "print what each cluster of the file is")
	cmd.Flags().BoolVar(&compressed, "compressed", false, `have the member "compressed" in json`)
	cmd.Flags().StringVarP(&snapshot, "snapshot", "s", "", "print the disk of the snapshot with this `ID` or name")
	return cmd
}

// lookImage opens an image to look at its tables.
func (f *sessionFlags) lookImage(path string) (*editor.Session, *image.Image, error) {
	s, err := f.look(path)
	if err != nil {
		return nil, nil, err
	}
	im, err := image.New(s.View(), s.Size(), s.Area())
	if err != nil {
		return nil, nil, errors.Join(err, s.Close())
	}
	return s, im, nil
}

// newMeter starts a meter, unless results come out on the same screen.
func (m *mapCommand) newMeter(title string) *meter {
	if isTerminal(m.env.Stdout) {
		return &meter{}
	}
	return newMeter(m.env, title)
}

// guest prints the runs of the virtual disk.
func (m *mapCommand) guest(ctx context.Context) error {
	if name := m.image.Area().Header.BackingFile; name != "" {
		fmt.Fprintf(m.env.Stderr, "qedit: %s: the backing file %s is not opened: the guest reads from it what is not present here\n",
			header.Printable(m.path), header.Quote(name))
	}
	w := bufio.NewWriterSize(m.env.Stdout, 64<<10)
	file := header.Printable(m.path)
	encrypted := m.image.Encrypted()
	if m.image.Area().Header.ExternalData() {
		name, _ := m.image.Area().Header.DataFile()
		file = "data file " + header.Printable(name)
	}
	start, end := "[", "]\n"
	if !m.json {
		fmt.Fprintf(w, "%-16s%-16s%-16s%s\n", "Offset", "Length", "Mapped to", "File")
		start, end = "", ""
	}
	problems, first := 0, true
	var line []byte
	var failed error
	size, err := m.image.DiskSize(m.snapshot)
	if err != nil {
		return err
	}
	size &^= guestSector - 1
	put := func(x image.Extent) bool {
		if uint64(x.Start) >= size {
			return false
		}
		x.Length = min(x.Length, size-uint64(x.Start))
		if x.Problem != "" {
			if problems++; problems <= maxProblems {
				fmt.Fprintf(m.env.Stderr, "qedit: %s: guest %v, %d bytes: %s\n", header.Printable(m.path), x.Start, x.Length, header.Harmless(x.Problem))
			}
		}
		if m.json {
			if line = line[:0]; !first {
				line = append(line, ",\n"...)
			}
			line = m.appendExtent(line, &x)
		} else {
			line = appendRow(line[:0], &x, file, encrypted)
		}
		first = false
		_, failed = w.Write(line)
		return failed == nil
	}
	meter := m.newMeter("reading L2 tables")
	if _, err := io.WriteString(w, start); err != nil {
		return err
	}
	err = m.image.StoredExtents(ctx, m.snapshot, m.storage, meter.progress, put)
	meter.end()
	if err == nil {
		err = failed
	}
	if err == nil {
		_, err = io.WriteString(w, end)
	}
	if err != nil {
		_ = w.Flush() // what is known so far; the first error tells more
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return m.ending(problems)
}

// guestSector is what QEMU rounds the size of a disk down to, bytes.
const guestSector = 512

// maxProblems is how many problems are told one by one.
const maxProblems = 100

// ending says how many problems were not told, and returns the exit code.
func (m *mapCommand) ending(problems int) error {
	if problems > maxProblems {
		fmt.Fprintf(m.env.Stderr, "qedit: %s: %d more like these\n", header.Printable(m.path), problems-maxProblems)
	}
	if problems > 0 {
		return exitError(ExitFailed)
	}
	return nil
}

// appendExtent appends a run as qemu-img map prints it.
func (m *mapCommand) appendExtent(b []byte, x *image.Extent) []byte {
	b = append(b, `{ "start": `...)
	b = strconv.AppendUint(b, uint64(x.Start), 10)
	b = append(b, `, "length": `...)
	b = strconv.AppendUint(b, x.Length, 10)
	b = append(b, `, "depth": `...)
	b = strconv.AppendInt(b, int64(x.Depth), 10)
	b = append(b, `, "present": `...)
	b = strconv.AppendBool(b, x.Present)
	b = append(b, `, "zero": `...)
	b = strconv.AppendBool(b, zero(x))
	b = append(b, `, "data": `...)
	b = strconv.AppendBool(b, x.Data)
	if m.compressed {
		b = append(b, `, "compressed": `...)
		b = strconv.AppendBool(b, x.Compressed)
	}
	if x.HasOffset {
		b = append(b, `, "offset": `...)
		b = strconv.AppendUint(b, uint64(x.Offset), 10)
	}
	if x.Problem != "" {
		b = append(b, `, "problem": `...)
		b = appendJSONString(b, x.Problem)
	}
	return append(b, '}')
}

// zero reports whether a run reads as zeros when there is no backing file.
func zero(x *image.Extent) bool { return x.Zero || !x.Present && x.Problem == "" }

// appendRow appends a run that is stored as qemu-img map has it in its table.
func appendRow(b []byte, x *image.Extent, file string, encrypted bool) []byte {
	to := ""
	switch {
	case x.Problem != "":
		to, file = "?", x.Problem
	case !x.Data || x.Zero:
		return b
	case x.Compressed:
		to = "compressed"
	case x.HasOffset:
		to = hexNumber(uint64(x.Offset))
	case encrypted:
		to = "encrypted"
	}
	return fmt.Appendf(b, "%-16s%-16s%-16s%s\n", hexNumber(uint64(x.Start)), hexNumber(x.Length), to, header.Harmless(file))
}

// hexNumber writes a number as qemu-img does: 0 without 0x.
func hexNumber(v uint64) string {
	if v == 0 {
		return "0"
	}
	return "0x" + strconv.FormatUint(v, 16)
}

// clusters prints what the clusters of the file are.
func (m *mapCommand) clusters(ctx context.Context) error {
	meter := newMeter(m.env, "reading tables")
	clusters, err := m.image.Map(ctx, meter.progress)
	meter.end()
	if err != nil {
		return err
	}
	broken, faults := clusters.Broken()
	for i := range broken[:min(len(broken), maxProblems)] {
		fmt.Fprintf(m.env.Stderr, "qedit: %s: %s\n", header.Printable(m.path), header.Harmless(broken[i].Error()))
	}
	w := bufio.NewWriterSize(m.env.Stdout, 64<<10)
	if m.json {
		err = m.clustersJSON(ctx, w, clusters)
	} else {
		err = m.clustersText(ctx, w, clusters)
	}
	if err != nil {
		_ = w.Flush() // what is known so far; the first error tells more
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return m.ending(faults)
}

// runs hands on runs of clusters of the same kind.
func runs(ctx context.Context, m *image.Map, yield func(first, n uint64, k image.ClusterKind) error) error {
	total := m.Clusters()
	for c := uint64(0); c < total; {
		if err := ctx.Err(); err != nil {
			return err
		}
		k := m.Kind(c)
		end, ok := m.Next(c, func(other image.ClusterKind) bool { return other != k })
		if !ok {
			end = total
		}
		if err := yield(c, end-c, k); err != nil {
			return err
		}
		c = end
	}
	return nil
}

// runLength is the length of a run of clusters, in bytes of the file.
func (m *mapCommand) runLength(first, n uint64) uint64 {
	cs := m.image.ClusterSize()
	return min(n*cs, uint64(m.image.Size())-first*cs)
}

func (m *mapCommand) clustersText(ctx context.Context, w io.Writer, clusters *image.Map) error {
	end := fmt.Sprintf("0x%x", m.image.Size())
	at, number := max(len("offset"), len(end)), max(len("clusters"), len(strconv.FormatUint(clusters.Clusters(), 10)))
	fmt.Fprintf(w, "%-*s  %*s  %*s  %s\n", at, "offset", at, "length", number, "clusters", "what")
	var line []byte
	return runs(ctx, clusters, func(first, n uint64, k image.ClusterKind) error {
		line = fmt.Appendf(line[:0], "%-*s  %*s  %*d  %c %s\n", at, fmt.Sprintf("0x%x", first*m.image.ClusterSize()),
			at, fmt.Sprintf("0x%x", m.runLength(first, n)), number, n, k.Letter(), k)
		_, err := w.Write(line)
		return err
	})
}

// clustersJSON writes the runs one by one, so that any number of them takes no
// memory.
func (m *mapCommand) clustersJSON(ctx context.Context, w io.Writer, clusters *image.Map) error {
	head := object{}
	head.addText("file", m.path)
	head.add("file_size", m.image.Size())
	head.add("cluster_size", m.image.ClusterSize())
	head.add("clusters", clusters.Clusters())
	broken, faults := clusters.Broken()
	list := []any{}
	for i := range broken {
		r := &broken[i].Reference
		list = append(list, object{{"pointer", r.Path()}, {"offset", r.To}, {"length", r.Length}, {"kind", r.Kind.Base().String()}, {"problem", header.Harmless(broken[i].Error())}})
	}
	head.add("broken", list)
	head.add("broken_total", faults)
	head.add("outside", clusters.Outside())
	var line []byte
	out := newStream(w, head)
	err := out.array("runs", func(item func(any) error) error {
		return runs(ctx, clusters, func(c, n uint64, k image.ClusterKind) error {
			line = append(line[:0], `{"offset": `...)
			line = strconv.AppendUint(line, c*m.image.ClusterSize(), 10)
			line = append(line, `, "length": `...)
			line = strconv.AppendUint(line, m.runLength(c, n), 10)
			line = append(line, `, "clusters": `...)
			line = strconv.AppendUint(line, n, 10)
			line = append(line, `, "letter": "`...)
			line = append(line, k.Letter())
			line = append(line, `", "kind": "`...)
			line = append(line, k.Base().String()...)
			line = append(line, `", "shared": `...)
			line = strconv.AppendBool(line, k.Shared())
			line = append(line, `, "conflict": `...)
			line = strconv.AppendBool(line, k.Conflict())
			line = append(line, `, "short": `...)
			line = strconv.AppendBool(line, k.Short())
			return item(append(line, '}'))
		})
	})
	if err != nil {
		return err
	}
	return out.end()
}
