package cli

import (
	"cmp"
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

// workbench is an image on which settings are made one after the other, each of
// which sees those before it. Nothing of it is in the session before Apply takes
// its transaction.
type workbench struct {
	base io.ReaderAt
	size int64
	was  *header.Area

	area   *header.Area
	im     *image.Image // of the view; nil: to be made
	writes []editor.Replacement
	titles []string
	paths  []string // of the entries that were set
}

func newWorkbench(base io.ReaderAt, size int64, area *header.Area) *workbench {
	return &workbench{base: base, size: size, was: area, area: area}
}

// ReadAt reads the image with what was set.
func (w *workbench) ReadAt(p []byte, off int64) (int, error) {
	n, err := w.base.ReadAt(p, off)
	at := header.HostOffset(off)
	end := at + header.HostOffset(n)
	for _, r := range w.writes {
		if r.Offset < end && at < r.End() {
			from, to := max(at, r.Offset), min(end, r.End())
			copy(p[from-at:to-at], r.New[from-r.Offset:to-r.Offset])
		}
	}
	return n, err
}

// write puts bytes at a host offset.
func (w *workbench) write(title string, at header.HostOffset, data []byte) error {
	if uint64(at) > uint64(w.size) || uint64(len(data)) > uint64(w.size)-uint64(at) {
		return &editor.BoundsError{Title: title, Offset: at, Length: len(data), Size: w.size}
	}
	w.titles = append(w.titles, title)
	if len(data) == 0 {
		return nil
	}
	w.writes = append(w.writes, editor.Replacement{Offset: at, New: data})
	end := at + header.HostOffset(len(data))
	if int(at) >= max(len(w.area.Bytes), minHeader) {
		if w.im != nil {
			w.im.Invalidate(at, end)
		}
		return nil
	}
	buf := make([]byte, min(w.size, header.MaxClusterSize))
	if _, err := w.ReadAt(buf, 0); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	area := header.NewArea(buf)
	if cs, ok := area.Header.ClusterSize(); ok && cs < uint64(len(buf)) {
		area = header.NewArea(buf[:cs])
	}
	w.area, w.im = area, nil
	return nil
}

// minHeader is how far the fields reach that say how long the header is, bytes.
const minHeader = 104

// image returns the image as it is set so far.
func (w *workbench) image() (*image.Image, error) {
	var err error
	if w.im == nil {
		w.im, err = image.New(w, w.size, w.area)
	}
	return w.im, err
}

// edit changes the header area through a draft.
func (w *workbench) edit(change func(*header.Draft) error) error {
	d := header.NewDraft(w.area.Bytes)
	if err := change(d); err != nil {
		return err
	}
	titles, title := len(w.titles), d.Title()
	w.writes = append(w.writes, editor.Difference("", 0, w.area.Bytes, d.Bytes()).Replacements...)
	if w.titles = w.titles[:titles]; title != "" {
		w.titles = append(w.titles, title)
	}
	w.area, w.im = d.Area(), nil
	return nil
}

// set makes one setting.
func (w *workbench) set(s setting) error {
	n := w.area.Lookup(s.path)
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
	text, err := plainText(w.area, s.path, s.text)
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
	scope := image.Scope{Area: w.area, Size: w.size}
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
	return w.write(fmt.Sprintf("%s at %v", counted(len(data), "byte"), p.Offset), p.Offset, data)
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
	before, err := image.New(w.base, w.size, w.was)
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
	ranges := slices.Clone(w.writes)
	slices.SortFunc(ranges, func(a, b editor.Replacement) int { return cmp.Compare(a.Offset, b.Offset) })
	t := editor.Transaction{Title: title, Raw: raw}
	for i := 0; i < len(ranges); {
		at, end := ranges[i].Offset, ranges[i].End()
		for i++; i < len(ranges) && ranges[i].Offset <= end; i++ {
			end = max(end, ranges[i].End())
		}
		old, new := make([]byte, end-at), make([]byte, end-at)
		if _, err := w.base.ReadAt(old, int64(at)); err != nil && !errors.Is(err, io.EOF) {
			return t, err
		}
		if _, err := w.ReadAt(new, int64(at)); err != nil && !errors.Is(err, io.EOF) {
			return t, err
		}
		t.Replacements = append(t.Replacements, editor.Difference("", at, old, new).Replacements...)
	}
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

// counted says how many there are of something.
func counted[T int | uint64](n T, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
