package cli

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"qedit/editor"
	"qedit/header"
	"qedit/literal"
	"qedit/review"
)

// maxLine is how long a command line may be, bytes; systems take 128 KiB for one
// argument. What needs more becomes a patch.
const maxLine = 64 << 10

// printCommands prints the commands that do again what the history has: of the
// save of a number, or of all. The word unsaved stands for edits that were not
// saved.
func printCommands(env Env, flags *sessionFlags, cmd *cobra.Command, path, which string, s *editor.Session) error {
	var all []editor.Saved
	var err error
	number := 0
	switch {
	case which == "unsaved":
		var left []editor.Left
		if left, err = s.Left(); err == nil && len(left) == 0 {
			err = fmt.Errorf("%s: there are no edits that are not saved", header.Quote(path))
		}
		for _, l := range left {
			all = append(all, editor.Saved{Time: l.Time, Transactions: l.Transactions})
		}
		if len(all) > 1 {
			all = all[len(all)-1:] // each session began with the image as it is
		}
	case which != "":
		if number, err = strconv.Atoi(which); err != nil {
			return &usageError{fmt.Errorf("the NUMBER of a save, or unsaved is expected, got %s", header.Quote(which)), cmd}
		}
		fallthrough
	default:
		all, err = s.History()
	}
	flags.notices(path, s)
	if err != nil {
		return err
	}
	lines, err := commandsOf(path, s, all, number, which == "unsaved")
	if err != nil {
		return err
	}
	if number != 0 && len(lines) == 0 {
		return fmt.Errorf("no save has the number %d", number)
	}
	for _, l := range lines {
		if _, err := fmt.Fprint(env.Stdout, l); err != nil {
			return err
		}
	}
	return nil
}

// commandsOf returns the commands for transactions: those of saves led to the
// image as it is, those that were not saved start from it.
func commandsOf(path string, s *editor.Session, saves []editor.Saved, number int, forward bool) ([]string, error) {
	now, err := s.Overlay(nil)
	if err != nil {
		return nil, err
	}
	type step struct {
		save          editor.Saved
		t             editor.Transaction
		from, to      int64            // length of the file before and after, bytes
		before, after *editor.Overlaid // nil where they are not known
	}
	var steps []step
	for _, save := range saves {
		for _, t := range save.Transactions {
			steps = append(steps, step{save: save, t: t})
		}
	}
	size := s.Size()
	for i := range steps {
		x := &steps[i]
		if !forward {
			x = &steps[len(steps)-1-i]
		}
		x.from, x.to = size, size
		if g := x.t.Grow; g != nil {
			x.from, x.to = g.From, g.To
		}
		if size = x.to; !forward {
			size = x.from
		}
		if now == nil {
			continue // the image was changed by others since
		}
		if forward {
			x.before = now
			now, _ = now.Then(x.t)
			x.after = now
			continue
		}
		x.after = now
		now, _ = now.Then(x.t.Invert())
		x.before = now
	}
	// A file is cut in no other way than by undo, which takes back what was done
	// last: then it has to take back all that was taken back.
	cuts := slices.ContainsFunc(steps, func(x step) bool { return x.to < x.from })
	var lines []string
	listed := map[string]bool{} // by ID
	for _, x := range steps {
		if number != 0 && x.save.Number != number || len(x.t.Replacements) == 0 && x.t.Grow == nil {
			continue
		}
		listed[x.t.ID] = true
		of := "not saved"
		if x.save.Number != 0 {
			of = fmt.Sprintf("save %d", x.save.Number)
		}
		line := fmt.Sprintf("# %s, %s: %s\n", of, x.save.Time.Local().Format(time.DateTime), header.Printable(x.t.Title))
		c := ""
		switch {
		case cuts && number == 0 && x.t.Undoes != "" && listed[x.t.Undoes]:
			c = "qedit undo " + literal.ShellWord(literal.FileWord(path)) + "\n"
		case x.to >= x.from:
			c, err = commandOf(path, x.from, x.t, x.before, x.after)
		default:
			err = fmt.Errorf("%s cuts off what a save had added, which nothing but qedit undo does", header.Quote(x.t.Title))
		}
		if err != nil {
			return nil, err
		}
		lines = append(lines, line+c)
	}
	return lines, nil
}

// commandOf returns the command that does a transaction again, on an image of so
// many bytes. What it does is tried: fields by name where that gives the same
// bytes, else bytes. Where the file grows it is a patch.
func commandOf(path string, size int64, t editor.Transaction, before, after *editor.Overlaid) (string, error) {
	file := literal.FileWord(path)
	if t.Grow != nil {
		raw := t.Raw || before != nil && after != nil && len(header.Brought(before.Area, after.Area)) > 0
		return patchCommand("--grow "+rawFlag(raw), file, size, t)
	}
	raw := t.Raw
	settings := bytesOf(t.Replacements)
	if len(settings) > review.MaxChanges {
		before = nil // as bytes it is too much for a line anyway
	}
	if before != nil && after != nil {
		if named := settingsOf(size, t, before, after); replays(named, size, t, before, raw) {
			settings = named
		} else if words := extensionWords(size, t, before, after); words != nil {
			return "qedit extension " + words[0] + " " + rawFlag(raw) + literal.ShellWord(file) + " " + strings.Join(words[1:], " ") + "\n", nil
		} else if !replays(settings, size, t, before, raw) {
			raw = true
		}
	}
	flag := rawFlag(raw)
	line := "qedit set " + flag + literal.ShellWord(file)
	for _, x := range settings {
		line += " " + literal.ShellWord(x.path+"="+x.text)
		if len(line) > maxLine {
			return patchCommand(flag, file, size, t)
		}
	}
	return line + "\n", nil
}

func rawFlag(raw bool) string {
	if raw {
		return "--raw "
	}
	return ""
}

// extensionWords returns what to say to qedit extension, the file left out, where
// that does a transaction again: one extension is added, replaced or deleted. Else
// it returns nil.
func extensionWords(size int64, t editor.Transaction, before, after *editor.Overlaid) []string {
	was, is := before.Area.Header.Extensions, after.Area.Header.Extensions
	i := 0 // the first one that differs
	for i < len(was) && i < len(is) && was[i].Type == is[i].Type && bytes.Equal(was[i].Data, is[i].Data) {
		i++
	}
	if i >= max(len(was), len(is)) || i < len(is) && len(is[i].Data) > maxLine/2 {
		return nil
	}
	var words []string
	var change func(*header.Draft) error
	number := strconv.Itoa(i)
	switch {
	case len(is) == len(was)+1 && i == len(was):
		words = []string{"add", typeName(is[i].Type), extensionData(is[i])}
		change = func(d *header.Draft) error { return d.AddExtension(plainExtension(is[i])) }
	case len(is) == len(was)-1:
		words = []string{"delete", number}
		change = func(d *header.Draft) error { return d.DeleteExtension(i) }
	case len(is) == len(was):
		words = []string{"replace", number, extensionData(is[i]), "--type", typeName(is[i].Type)}
		change = func(d *header.Draft) error { return d.ReplaceExtension(i, plainExtension(is[i])) }
	default:
		return nil
	}
	w := newWorkbench(before, size, before.Area)
	if w.edit(change) != nil {
		return nil
	}
	again, err := w.transaction(t.Raw)
	if err != nil || !t.Raw && len(header.Brought(before.Area, w.Area())) > 0 || !sameRuns(again.Replacements, t.Replacements) {
		return nil
	}
	return words
}

// plainExtension is an extension as the command makes it, padded with zeros.
func plainExtension(e header.Extension) header.Extension {
	return header.Extension{Type: e.Type, Data: e.Data}
}

// extensionData is the data of an extension as the command takes it.
func extensionData(e header.Extension) string {
	p, _ := e.Payload() // what is broken has data all the same
	switch p := p.(type) {
	case header.BackingFormat:
		return literal.ShellWord(`"` + header.Printable(string(p)) + `"`)
	case header.DataFile:
		return literal.ShellWord(`"` + header.Printable(string(p)) + `"`)
	}
	return literal.ShellWord(fmt.Sprintf("%x", e.Data))
}

// patchCommand is a command that applies a patch which stands behind it.
func patchCommand(flag, file string, size int64, t editor.Transaction) (string, error) {
	var b bytes.Buffer
	p := editor.Patch{Title: t.Title, Size: size, Writes: t.Replacements}
	if t.Grow != nil {
		p.NewSize = t.Grow.To
	}
	if err := p.Write(&b); err != nil {
		return "", err
	}
	return fmt.Sprintf("qedit apply %s%s - <<'END-OF-PATCH'\n%sEND-OF-PATCH\n", flag, literal.ShellWord(file), b.String()), nil
}

// bytesOf are settings of bytes at their offsets.
func bytesOf(runs []editor.Replacement) []setting {
	var all []setting
	for _, r := range runs {
		all = append(all, setting{r.Offset.String(), fmt.Sprintf("%s%x", bytesPrefix, r.New)})
	}
	return all
}

// settingsOf are settings that may do a transaction again, by name as far as
// fields have one.
func settingsOf(size int64, t editor.Transaction, before, after *editor.Overlaid) []setting {
	all := headerSettings(before.Area, after.Area)
	n, err := review.Edit{Before: before, After: after, From: size, To: size, Was: before.Area, Is: after.Area}.Namer()
	end := max(before.Area.End(), after.Area.End())
	seen := map[string]bool{}
	for _, r := range t.Replacements {
		if r.End() <= end {
			continue
		}
		if r.Offset < end {
			r = editor.Replacement{Offset: end, Old: r.Old[end-r.Offset:], New: r.New[end-r.Offset:]}
		}
		rest := []editor.Replacement{r}
		if err == nil {
			var named []review.Change
			named, rest = n.Name(r)
			for _, c := range named {
				if !seen[c.Path] {
					all = append(all, setting{c.Path, c.Value})
				}
				seen[c.Path] = true
			}
		}
		all = append(all, bytesOf(rest)...)
	}
	return all
}

// headerSettings are the settings that lead from one header area to another, as
// far as both have the same fields.
func headerSettings(before, after *header.Area) []setting {
	var all []setting
	changed := func(path string) bool {
		was, errWas := before.Get(path)
		is, errIs := after.Get(path)
		if errWas != nil || errIs != nil || was == is {
			return false
		}
		all = append(all, setting{path, is})
		return true
	}
	changed("version")
	named := changed(header.PathBackingFormat)
	named = changed(header.PathDataFile) || named
	moved := changed(header.PathBackingFile)
	var visit func(nodes []*header.Node)
	visit = func(nodes []*header.Node) {
		for _, n := range nodes {
			old := before.Lookup(n.Path)
			switch {
			case old == nil && n.Bit < 0, n.Path == "version", n.Path == header.PathBackingFile:
			case moved && (n.Path == "backing_file_offset" || n.Path == "backing_file_size"):
			case n.Path == header.PathExtensions && (named || moved):
			case old != nil && n.Field != nil && before.Raw(old) == after.Raw(n):
			case n.Field == nil || n.Field.Kind == header.Mask && n.Bit < 0:
				visit(n.Children())
			default:
				changed(n.Path)
			}
		}
	}
	visit(after.Nodes)
	for _, f := range header.Fields() {
		for bit := range 64 { // bits without a name that were cleared are no nodes any more
			if path := fmt.Sprintf("%s[%d]", f.Name, bit); f.Kind == header.Mask && f.Flag(uint8(bit)) == nil && after.Lookup(path) != nil {
				if is, _ := after.Get(path); is == "off" {
					changed(path)
				}
			}
		}
	}
	return all
}

// replays reports whether settings do the same as a transaction, and are not
// refused.
func replays(settings []setting, size int64, t editor.Transaction, before *editor.Overlaid, raw bool) bool {
	w := newWorkbench(before, size, before.Area)
	if w.setAll(settings) != nil {
		return false
	}
	again, err := w.transaction(raw)
	if err != nil || !raw && len(header.Brought(before.Area, w.Area())) > 0 {
		return false
	}
	return sameRuns(again.Replacements, t.Replacements)
}

// sameRuns reports whether two lists of replacements do the same.
func sameRuns(a, b []editor.Replacement) bool {
	x, y := joined(a), joined(b)
	if len(x) != len(y) {
		return false
	}
	for i := range x {
		if x[i].Offset != y[i].Offset || !bytes.Equal(x[i].New, y[i].New) {
			return false
		}
	}
	return true
}

// joined returns replacements as the runs of bytes that change.
func joined(runs []editor.Replacement) []editor.Replacement {
	var all []editor.Replacement
	for _, r := range runs {
		for _, d := range editor.Difference("", r.Offset, r.Old, r.New).Replacements {
			if n := len(all); n > 0 && all[n-1].End() == d.Offset {
				all[n-1].New = append(all[n-1].New, d.New...)
				continue
			}
			all = append(all, d)
		}
	}
	return all
}
