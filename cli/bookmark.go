package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"qedit/editor"
	"qedit/header"
	"qedit/image"
	"qedit/tui"
)

// newBookmark is the command whose parts list, add and remove bookmarks.
func newBookmark(env Env, flags *sessionFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bookmark list|add|remove FILE ...",
		Short: "List, add or remove bookmarks and notes",
		Long: `List, add or remove bookmarks: places and ranges of the image, or of the virtual
disk, with a name or a note. The editor sets them with m and lists them with M.
They are kept beside the image like the history; the image is not changed and no
lock is taken. Expressions name them with @NAME, in dump, locate and the editor.

Exit codes: 0 done; 1 failed or refused; 2 wrong usage.`,
		Example: `  qedit bookmark add disk.qcow2 'l1[3].l2' --name table --note 'refcounts were wrong here'
  qedit dump disk.qcow2 @table
  qedit bookmark list disk.qcow2 -o markdown >notes.md`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("list, add or remove is expected")
			}
			return fmt.Errorf("list, add or remove is expected, got %s", header.Quote(args[0]))
		},
		RunE: func(*cobra.Command, []string) error { return nil },
	}
	cmd.AddCommand(newBookmarkList(env, flags), newBookmarkAdd(env, flags), newBookmarkRemove(env, flags))
	return cmd
}

// bookmarks opens an image for its bookmarks.
func (f *sessionFlags) bookmarks(path string) (*editor.Session, *editor.Bookmarks, error) {
	s, err := f.look(path)
	if err != nil {
		return nil, nil, err
	}
	all := s.Bookmarks()
	if err := all.Load(); err != nil {
		return nil, nil, errors.Join(err, s.Close())
	}
	f.notices(path, s)
	return s, all, nil
}

func newBookmarkList(env Env, flags *sessionFlags) *cobra.Command {
	var out *choice
	cmd := &cobra.Command{
		Use:   "list FILE",
		Short: "List bookmarks and notes",
		Long: `List the bookmarks of the file by offset, then those of the virtual disk: name,
place, length, the expression that named it then, and the note below. json has
all that is kept, and markdown is for a report.

Exit codes: 0 done; 1 failed; 2 wrong usage.`,
		Args: exactly(1, "FILE"),
		RunE: func(_ *cobra.Command, args []string) error {
			s, all, err := flags.bookmarks(args[0])
			if err != nil {
				return err
			}
			defer s.Close()
			switch out.value {
			case "json":
				return encodeJSON(env.Stdout, bookmarksJSON(args[0], all.All()), "  ")
			case "markdown":
				bookmarksMarkdown(env.Stdout, args[0], all.All())
			default:
				bookmarksText(env.Stdout, all.All())
			}
			if len(all.All()) == 0 {
				fmt.Fprintln(env.Stderr, "qedit: no bookmarks are kept")
			}
			return nil
		},
	}
	out = addOutput(cmd, "text", "json", "markdown")
	return cmd
}

// placeText is where a bookmark is, as an expression.
func placeText(b *editor.Bookmark) string {
	if !b.OnGuest {
		return b.Offset.String()
	}
	text := "guest:" + image.GuestOffset(b.Guest).String()
	if b.Snapshot != "" {
		text += "@" + header.Harmless(b.Snapshot)
	}
	return text
}

// exprText is how the place was named, where that says more than where it is.
func exprText(b *editor.Bookmark) string {
	if b.Expr == placeText(b) {
		return ""
	}
	return header.Printable(b.Expr)
}

func bookmarksText(w io.Writer, all []editor.Bookmark) {
	names, places := 0, 0
	for i := range all {
		names = max(names, len([]rune(all[i].Name)))
		places = max(places, len([]rune(placeText(&all[i]))))
	}
	for i := range all {
		b := &all[i]
		l := fmt.Sprintf("%-*s  %-*s  %6d B  %s", names, header.Printable(b.Name), places, placeText(b), b.Length, exprText(b))
		fmt.Fprintln(w, strings.TrimRight(strings.ReplaceAll(l, "\n", " "), " "))
		if b.Note == "" {
			continue
		}
		for l := range strings.SplitSeq(header.Harmless(b.Note), "\n") {
			fmt.Fprintln(w, strings.TrimRight("    "+l, " "))
		}
	}
}

func bookmarksMarkdown(w io.Writer, path string, all []editor.Bookmark) {
	fmt.Fprintf(w, "# Bookmarks of %s\n", markdownWord(path))
	for i := range all {
		b := &all[i]
		name := markdownWord(b.Name)
		if name == "" {
			name = placeText(b)
		}
		fmt.Fprintf(w, "\n## %s\n\n", name)
		what := ""
		if expr := exprText(b); expr != "" {
			what = ", " + markdownText(strings.ReplaceAll(expr, "`", "\\`"))
		}
		if b.SnapshotName != "" {
			what += ", snapshot " + markdownWord(b.SnapshotName)
		}
		fmt.Fprintf(w, "%s, %s%s, %s\n", placeText(b), header.Count(int(b.Length), "byte"), what, b.Time.Format(time.RFC3339))
		if b.Note != "" {
			fmt.Fprintln(w)
			for l := range strings.SplitSeq(header.Harmless(b.Note), "\n") {
				fmt.Fprintln(w, strings.TrimRight("> "+markdownText(strings.ReplaceAll(l, "`", "\\`")), " "))
			}
		}
	}
}

// markdownWord is text on one line, with nothing that Markdown would take for
// more than text.
func markdownWord(text string) string {
	return markdownText(strings.ReplaceAll(header.Printable(text), "`", "\\`"))
}

func bookmarksJSON(path string, all []editor.Bookmark) object {
	list := []any{}
	for i := range all {
		list = append(list, bookmarkJSON(&all[i]))
	}
	o := object{}
	o.addText("file", path)
	o.add("bookmarks", list)
	return o
}

func bookmarkJSON(b *editor.Bookmark) object {
	o := object{{"id", b.ID}, {"name", b.Name}}
	if b.OnGuest {
		o = append(o, object{{"offset", nil}, {"guest_offset", uint64(b.Guest)}}...)
	} else {
		o = append(o, object{{"offset", b.Offset}, {"guest_offset", nil}}...)
	}
	return append(o, object{
		{"snapshot", b.Snapshot}, {"snapshot_name", b.SnapshotName}, {"length", b.Length},
		{"expression", b.Expr}, {"note", b.Note}, {"time", b.Time},
	}...)
}

func newBookmarkAdd(env Env, flags *sessionFlags) *cobra.Command {
	var out *choice
	var name, note, length string
	cmd := &cobra.Command{
		Use:   "add FILE EXPR",
		Short: "Add a bookmark or a note",
		Long: `Add a bookmark at the place that an expression names, as long as the structure,
entry or field there, or as --length says. guest: is a place of the virtual
disk, stored or not. A name of one letter is a mark as the editor sets it, which
moves.

Exit codes: 0 done; 1 failed or refused; 2 wrong usage.`,
		Args: exactly(2, "FILE and EXPR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			b := editor.Bookmark{Name: name, Note: note, Expr: args[1]}
			if note == "-" {
				text, err := readInput(env, "-", editor.MaxBookmarkNote)
				if err != nil {
					return err
				}
				b.Note = strings.TrimRight(string(text), "\r\n")
			}
			s, scope, err := flags.lookScope(args[0])
			if err != nil {
				return err
			}
			defer s.Close()
			all := s.Bookmarks()
			if err := all.Load(); err != nil {
				return err
			}
			if err := placeBookmark(&b, scope, args[1]); err != nil {
				return err
			}
			if cmd.Flags().Changed("length") {
				n, ok := header.ParseSize(length)
				if b.Length = int64(n); !ok || n == 0 || b.Length < 0 {
					return &usageError{errors.New("--length is a number of bytes, at least 1"), cmd}
				}
			}
			if other, err := editor.BookmarkNamed(all.All(), name); err == nil && other.Name == name && !editor.IsMark(name) {
				return fmt.Errorf("the bookmark at %s is called %s; remove it first", placeText(&other), header.Quote(name))
			}
			if b, err = all.Put(b); err == nil {
				err = all.Save()
			}
			flags.notices(args[0], s)
			if err != nil {
				return err
			}
			if out.value == "json" {
				return encodeJSON(env.Stdout, bookmarksJSON(args[0], []editor.Bookmark{b}), "  ")
			}
			bookmarksText(env.Stdout, []editor.Bookmark{b})
			return nil
		},
	}
	cmd.Flags().StringVar(&name, "name", "", "what it is called")
	cmd.Flags().StringVar(&note, "note", "", "a note, several lines if need be; - for standard input")
	cmd.Flags().StringVarP(&length, "length", "l", "", "so many `BYTES` from the place on: 512, 64K")
	out = addOutput(cmd, "text", "json")
	return cmd
}

// placeBookmark puts a bookmark where an expression says.
func placeBookmark(b *editor.Bookmark, scope image.Scope, expr string) error {
	b.Length = 1
	if scope.Image != nil && strings.HasPrefix(strings.TrimSpace(expr), "guest:") {
		at, snapshot, err := scope.FindGuest(expr, image.Active)
		if err != nil {
			return err
		}
		b.OnGuest, b.Guest = true, editor.GuestOffset(at)
		if snapshot != image.Active {
			all, err := scope.Image.Snapshots()
			if snapshot >= len(all) {
				return errors.Join(errors.New("the snapshot cannot be read"), err)
			}
			b.Snapshot, b.SnapshotName = header.Printable(all[snapshot].ID), header.Printable(all[snapshot].Name)
		}
		return nil
	}
	p, err := scope.Find(expr)
	b.Offset, b.Length = p.Offset, int64(max(p.Length, 1))
	return err
}

func newBookmarkRemove(env Env, flags *sessionFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "remove FILE NAME...",
		Short: "Remove bookmarks",
		Long: `Remove bookmarks, each by its name or by its id, which list -o json has. Where
one of them is not there nothing is removed.

Exit codes: 0 done; 1 failed, nothing was removed; 2 wrong usage.`,
		Args: atLeast(2, "FILE and at least one NAME"),
		RunE: func(_ *cobra.Command, args []string) error {
			s, all, err := flags.bookmarks(args[0])
			if err != nil {
				return err
			}
			defer s.Close()
			var gone []editor.Bookmark
			for _, name := range args[1:] {
				b, err := editor.BookmarkNamed(all.All(), name)
				if err != nil {
					return err
				}
				gone = append(gone, b)
			}
			for _, b := range gone {
				all.Remove(b.ID)
			}
			err = all.Save()
			flags.notices(args[0], s)
			return err
		},
	}
}

// lazyBookmarks are the places of bookmarks, which are read when the first of
// them is asked for.
type lazyBookmarks struct {
	all    *editor.Bookmarks
	im     *image.Image
	loaded bool
}

func (l *lazyBookmarks) load() error {
	if l.loaded {
		return nil
	}
	l.loaded = true
	return l.all.Load()
}

// Find returns the place of a bookmark.
func (l *lazyBookmarks) Find(name string) (image.Place, string, error) {
	if err := l.load(); err != nil {
		return image.Place{}, "", err
	}
	return tui.BookmarkPlaces(l.all.All(), l.im).Find(name)
}

// Names returns the names of bookmarks, none where they cannot be read.
func (l *lazyBookmarks) Names() []string {
	if l.load() != nil {
		return nil
	}
	return tui.BookmarkPlaces(l.all.All(), l.im).Names()
}

// markdownText escapes what Markdown would take for more than text.
func markdownText(text string) string {
	return strings.NewReplacer("*", `\*`, "<", "&lt;", "_", `\_`, "[", `\[`).Replace(text)
}
