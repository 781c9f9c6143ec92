package cli

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"qedit/editor"
	"qedit/editor/store"
	"qedit/header"
	"qedit/image"
)

// newHeader is the command whose parts save and restore what leads to all of an
// image.
func newHeader(env Env, flags *sessionFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "header save|restore FILE ...",
		Short: "Save the header and what leads to the tables, or restore it",
		Long: `Save what leads to all tables of an image in a small file, or restore it: the
header's cluster, the active L1 table, the refcount table, the snapshot table
and the L1 tables of snapshots, the bitmap directory and the tables of bitmaps.
Guest data, L2 tables, refcount blocks and the key material of LUKS are not in
it. The file is JSON with a checksum: docs/patch.md.

Exit codes: 0 done; 1 failed or refused; 2 wrong usage.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("save or restore is expected")
			}
			return fmt.Errorf("save or restore is expected, got %s", header.Quote(args[0]))
		},
		RunE: func(*cobra.Command, []string) error { return nil },
	}
	cmd.AddCommand(newHeaderSave(env, flags), newHeaderRestore(env, flags))
	return cmd
}

func newHeaderSave(env Env, flags *sessionFlags) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "save FILE OUT",
		Short: "Save the header and what leads to the tables",
		Long: `Save the header's cluster and the tables that lead to all others in the file
OUT, - for standard output. An existing file is replaced only with --force.

Exit codes: 0 done; 1 failed; 2 wrong usage.`,
		Args: exactly(2, "FILE and OUT"),
		RunE: func(_ *cobra.Command, args []string) error {
			s, err := flags.look(args[0])
			if err != nil {
				return err
			}
			defer s.Close()
			b, err := makeBackup(flags, args[0], s)
			if err != nil {
				return err
			}
			if args[1] == "-" {
				return b.Write(env.Stdout)
			}
			if err := writeNew(s, args[0], args[1], force, func(o *store.Output) error { return b.Write(o) }); err != nil {
				return err
			}
			n := 0
			for _, p := range b.Parts {
				n += len(p.Bytes)
				fmt.Fprintf(env.Stdout, "%-10v %-28s %s\n", p.Offset, p.Name, header.FormatSize(uint64(len(p.Bytes))))
			}
			fmt.Fprintf(env.Stdout, "%s of %s saved\n", header.Count(len(b.Parts), "structure"), header.FormatSize(uint64(n)))
			return nil
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "replace an existing file")
	return cmd
}

// makeBackup reads what is saved of an image.
func makeBackup(flags *sessionFlags, path string, s *editor.Session) (*editor.Backup, error) {
	h := s.Area().Header
	b := &editor.Backup{Time: time.Now().UTC().Truncate(time.Second), Size: s.Size(), ClusterBits: h.ClusterBits, DiskSize: h.Size}
	anchors := []image.Anchor{{Name: header.PathHeader, Length: uint64(len(s.Area().Bytes))}}
	if im, err := image.New(s, s.Size(), s.Area()); err != nil {
		flags.say(path, "only the header is saved: "+err.Error())
	} else {
		var problems []string
		anchors, problems = im.Anchors()
		for _, p := range problems {
			flags.say(path, p)
		}
	}
	total := uint64(0)
	for i, a := range anchors {
		if total+a.Length > editor.MaxBackup || i >= editor.MaxBackupParts {
			flags.say(path, fmt.Sprintf("%s is left out: no more than %s are saved", a.Name, header.FormatSize(editor.MaxBackup)))
			continue
		}
		total += a.Length
		p := editor.BackupPart{Name: a.Name, Offset: a.Offset, Bytes: make([]byte, a.Length)}
		if n, err := s.ReadAt(p.Bytes, int64(a.Offset)); err != nil && !(errors.Is(err, io.EOF) && n == len(p.Bytes)) {
			return nil, fmt.Errorf("%s: %w", a.Name, err)
		}
		b.Parts = append(b.Parts, p)
	}
	return b, nil
}

func newHeaderRestore(env Env, flags *sessionFlags) *cobra.Command {
	var out *choice
	var dryRun, raw, force bool
	var only []string
	cmd := &cobra.Command{
		Use:   "restore FILE SAVED",
		Short: "Restore what header save has saved",
		Long: `Make the structures of an image those that header save has saved, - for standard
input, as one transaction, and save that. Only bytes that differ are written,
and shown. What was written to the image since is no more found where its L1
table is restored: --only header restores the header's cluster alone, see header
save for the other names.

It is refused where the file is of another image: of another length, or where
the header is whole with another cluster size or disk; --force insists. It is
refused where it breaks rules that hold now; --raw allows that.

Exit codes: 0 done; 1 failed or refused, nothing was written; 2 wrong usage.`,
		Args: exactly(2, "FILE and SAVED"),
		RunE: func(_ *cobra.Command, args []string) error {
			data, err := readInput(env, args[1], editor.MaxBackupFile)
			if err != nil {
				return err
			}
			b, err := editor.ReadBackup(data)
			if err == nil {
				err = keepOnly(b, only)
			}
			if err != nil {
				return nothingWritten(fmt.Errorf("%s: %w", header.Quote(args[1]), err))
			}
			s, err := flags.edit(args[0], dryRun)
			if err != nil {
				return err
			}
			defer s.Close()
			if why := b.Foreign(s); why != "" && !force {
				return fmt.Errorf("%s is of another image: %s; nothing was written, --force insists", header.Quote(args[1]), why)
			}
			t, err := b.Transaction(s)
			if err != nil {
				return nothingWritten(err)
			}
			t.Raw = raw
			if err := s.Apply(t); err != nil {
				return refusal(err)
			}
			return saveAndPrint(env, flags, out, args[0], s, dryRun)
		},
	}
	cmd.Flags().BoolVarP(&dryRun, "dry-run", "n", false, "print the plan, write nothing")
	cmd.Flags().BoolVar(&raw, "raw", false, "allow what breaks rules")
	cmd.Flags().BoolVar(&force, "force", false, "restore to what seems to be another image")
	cmd.Flags().StringSliceVar(&only, "only", nil, "restore these structures alone: `NAME,...`")
	out = addOutput(cmd, "text", "json")
	return cmd
}

// keepOnly leaves the structures of some names in a backup.
func keepOnly(b *editor.Backup, names []string) error {
	if len(names) == 0 {
		return nil
	}
	var have []string
	for _, p := range b.Parts {
		have = append(have, p.Name)
	}
	for _, name := range names {
		if !slices.Contains(have, name) {
			return fmt.Errorf("there is no %s in it; there are %s", header.Quote(name), header.Printable(strings.Join(have, ", ")))
		}
	}
	b.Parts = slices.DeleteFunc(b.Parts, func(p editor.BackupPart) bool { return !slices.Contains(names, p.Name) })
	return nil
}
