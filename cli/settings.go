package cli

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"qedit/editor"
	"qedit/header"
	"qedit/image"
)

// setting is one FIELD=VALUE: what is set, and to what.
type setting struct{ path, text string }

// parseSetting splits FIELD=VALUE; false where there is no =.
func parseSetting(word string) (setting, bool) {
	// Bytes have no = in them, the place that they go to may.
	if i := strings.LastIndex(word, "="+bytesPrefix); i >= 0 {
		return setting{word[:i], word[i+1:]}, true
	}
	path, text, ok := strings.Cut(word, "=")
	return setting{path, text}, ok
}

// Bytes at a place are given as digits or as text.
const (
	bytesPrefix = "hex:"
	textPrefix  = "text:"
)

// workbench is where settings are made one after the other, each of which sees
// those before it. Nothing of it is in the session before apply.
type workbench struct {
	*editor.Workbench
	base   *editor.Workbench // without settings
	im     *image.Image      // as it was read last, nil: not yet
	titles []string
	paths  []string // of the entries that were set
}

func newWorkbench(base io.ReaderAt, size int64, area *header.Area) *workbench {
	return &workbench{Workbench: editor.NewWorkbench(base, size, area), base: editor.NewWorkbench(base, size, area)}
}

// write puts bytes at a host offset.
func (w *workbench) write(title string, at header.HostOffset, data []byte) error {
	if err := w.Write(at, data); err != nil {
		return fmt.Errorf("%s: %w", title, err)
	}
	w.titles = append(w.titles, title)
	if w.im != nil {
		w.im.Invalidate(at, at+header.HostOffset(len(data)))
	}
	return nil
}

// image returns the image as it is set so far.
func (w *workbench) image() (*image.Image, error) {
	var err error
	if w.im == nil || w.im.Area() != w.Area() {
		w.im, err = image.New(w, w.Size(), w.Area())
	}
	return w.im, err
}

// edit changes the header area through a draft.
func (w *workbench) edit(change func(*header.Draft) error) error {
	d := w.Draft()
	if err := change(d); err != nil {
		return err
	}
	if title := d.Title(); title != "" {
		w.titles = append(w.titles, title)
	}
	return w.Commit(d)
}

// set makes one setting.
func (w *workbench) set(s setting) error {
	n := w.Area().Lookup(s.path)
	digits, isBytes := strings.CutPrefix(s.text, bytesPrefix)
	chars, isText := strings.CutPrefix(s.text, textPrefix)
	inHeader := n != nil && n.Field != nil || textPath(s.path)
	switch {
	case isBytes && !inHeader:
		data, err := hex.DecodeString(strings.Join(strings.Fields(digits), ""))
		if err != nil {
			return &header.ValueError{Field: s.path, Text: s.text, Want: "hexadecimal digits behind hex:, two for each byte"}
		}
		return w.setBytes(s.path, data)
	case isText && !inHeader:
		data, err := header.ParsePrintable(chars)
		if err != nil {
			return fmt.Errorf("%s: %w", header.Quote(s.path), err)
		}
		return w.setBytes(s.path, []byte(data))
	case image.BeyondHeader(s.path):
		return w.setEntry(s)
	}
	text, err := plainText(w.Area(), s.path, s.text)
	if err != nil {
		return err
	}
	err = w.edit(func(d *header.Draft) error { return d.Set(s.path, text) })
	var unknown *header.PathError
	if errors.As(err, &unknown) && n == nil {
		if _, isPlace := w.find(s.path); isPlace == nil {
			return &header.ValueError{Field: s.path, Text: s.text, Want: "bytes for this place: hex:00ff or text:abc"}
		}
	}
	return err
}

// find returns the place that an expression names.
func (w *workbench) find(expr string) (image.Place, error) {
	scope := image.Scope{Area: w.Area(), Size: w.Size()}
	scope.Image, _ = w.image() // without one the header is found
	return scope.Find(expr)
}

// setBytes puts bytes at the place that an expression names.
func (w *workbench) setBytes(expr string, data []byte) error {
	p, err := w.find(expr)
	if err != nil {
		return err
	}
	if p.Length > 0 && len(data) > p.Length {
		return fmt.Errorf("%s has %d bytes, %d are given", header.Quote(expr), p.Length, len(data))
	}
	return w.write(fmt.Sprintf("%s at %v", header.Count(len(data), "byte"), p.Offset), p.Offset, data)
}

// setEntry sets a field of an entry, or an entry as a whole. The rules of
// entries are looked at when all is set.
func (w *workbench) setEntry(s setting) error {
	im, err := w.image()
	if err != nil {
		return err
	}
	c, err := im.Set(s.path, s.text)
	var brings *image.BringsError
	if err != nil && !errors.As(err, &brings) {
		return err
	}
	w.paths = append(w.paths, s.path)
	return w.write(c.Title, c.Offset, c.New)
}

// brings returns the rules of entries that hold before the settings and not
// after them.
func (w *workbench) brings() []header.Violation {
	after, err := w.image()
	if err != nil || len(w.paths) == 0 {
		return nil
	}
	before, err := image.New(w.base, w.base.Size(), w.base.Area())
	var brought []header.Violation
	same := func(v header.Violation) func(header.Violation) bool {
		return func(o header.Violation) bool { return o.Rule == v.Rule && o.Field == v.Field && o.Offset == v.Offset }
	}
	for _, path := range w.paths {
		var had []header.Violation
		if err == nil {
			had = before.Judge(path)
		}
		for _, v := range after.Judge(path) {
			if !slices.ContainsFunc(had, same(v)) && !slices.ContainsFunc(brought, same(v)) {
				brought = append(brought, v)
			}
		}
	}
	return brought
}

// maxTitles is how many settings the title of a transaction names.
const maxTitles = 5

// transaction returns what all settings do together. Unless it is raw, it is
// refused where it breaks a rule of an entry that holds now; those of the header
// Session.Apply looks at.
func (w *workbench) transaction(raw bool) (editor.Transaction, error) {
	title := strings.Join(w.titles[:min(len(w.titles), maxTitles)], ", ")
	if more := len(w.titles) - maxTitles; more > 0 {
		title += fmt.Sprintf(" and %d more", more)
	}
	if vs := w.brings(); len(vs) > 0 && !raw {
		return editor.Transaction{}, &editor.RefusedError{Title: title, Violations: vs}
	}
	t := w.Transaction(title)
	t.Raw = raw
	return t, nil
}

// setAll makes settings in their order.
func (w *workbench) setAll(settings []setting) error {
	seen := map[string]bool{}
	for _, x := range settings {
		if seen[x.path] {
			return fmt.Errorf("%s is set twice", header.Quote(x.path))
		}
		seen[x.path] = true
		if err := w.set(x); err != nil {
			return err
		}
	}
	return nil
}

// apply hands what was set to the session.
func (w *workbench) apply(s *editor.Session, raw bool) error {
	t, err := w.transaction(raw)
	if err != nil {
		return err
	}
	return s.Apply(t)
}

// textPath reports whether a path stands for a name in the header area that may
// not be there yet.
func textPath(path string) bool {
	switch strings.TrimPrefix(path, header.PathHeader+".") {
	case header.PathBackingFile, header.PathBackingFormat, header.PathDataFile:
		return true
	}
	return false
}

// plainText reads the escapes of a text as get prints it; values of other fields
// have none.
func plainText(a *header.Area, path, text string) (string, error) {
	n := a.Lookup(path)
	if textPath(path) || n != nil && n.Field != nil && n.Field.Kind == header.Text {
		plain, err := header.ParsePrintable(text)
		if err != nil {
			return "", fmt.Errorf("%s: %w", path, err)
		}
		return plain, nil
	}
	return text, nil
}
