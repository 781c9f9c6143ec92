package cli

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"

	"qedit/header"
	"qedit/image"
)

// maxSettings bounds what is read of a JSON object with settings, bytes.
const maxSettings = 64 << 20

// readInput reads a file that was named for input, - for standard input.
func readInput(env Env, name string, limit int64) ([]byte, error) {
	in := env.Stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	if in == nil {
		return nil, errors.New("there is no standard input")
	}
	data, err := io.ReadAll(io.LimitReader(in, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("%s has more than %s", header.Quote(name), header.FormatSize(uint64(limit)))
	}
	return data, err
}

// parseObject reads a JSON object with its members in order and its numbers as
// they are written. A member that comes twice is refused.
func parseObject(data []byte) (object, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	v, err := parseValue(d, 0)
	if err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one JSON object")
	}
	o, ok := v.(object)
	if !ok {
		return nil, errors.New("a JSON object is expected")
	}
	return o, nil
}

// maxNesting is how deep JSON may be nested.
const maxNesting = 16

func parseValue(d *json.Decoder, depth int) (any, error) {
	t, err := d.Token()
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil || depth > maxNesting {
		return nil, errors.Join(err, tooDeep(depth))
	}
	switch t {
	case json.Delim('['):
		list := []any{}
		for d.More() {
			v, err := parseValue(d, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err = d.Token()
		return list, err
	case json.Delim('{'):
		o := object{}
		seen := map[string]bool{}
		for d.More() {
			name, err := d.Token()
			if err != nil {
				return nil, err
			}
			v, err := parseValue(d, depth+1)
			if err != nil {
				return nil, err
			}
			if seen[name.(string)] {
				return nil, fmt.Errorf("%s comes twice", header.Quote(name.(string)))
			}
			seen[name.(string)] = true
			o.add(name.(string), v)
		}
		_, err = d.Token()
		return o, err
	}
	return t, nil
}

func tooDeep(depth int) error {
	if depth > maxNesting {
		return fmt.Errorf("nested deeper than %d", maxNesting)
	}
	return nil
}

// get returns a member of an object.
func (o object) get(name string) (any, bool) {
	for _, m := range o {
		if m.name == name {
			return m.value, true
		}
	}
	return nil, false
}

// textOf returns the text of a member: its bytes where there is a member with
// _hex behind the name.
func (o object) textOf(name string) (text string, there bool, err error) {
	v, ok := o.get(name)
	if digits, isHex := o.get(name + "_hex"); isHex {
		s, _ := digits.(string)
		b, err := hex.DecodeString(s)
		if err != nil || s == "" {
			return "", true, fmt.Errorf("%s_hex: hexadecimal digits are expected", name)
		}
		return string(b), true, nil
	}
	switch v := v.(type) {
	case nil:
		return "", ok, nil
	case string:
		return v, ok, nil
	}
	return "", true, fmt.Errorf("%s: text is expected", name)
}

// setFrom makes the settings of a JSON object.
func (w *workbench) setFrom(data []byte) error {
	o, err := parseObject(data)
	if err != nil {
		return fmt.Errorf("--from: %w", err)
	}
	if v, ok := o.get("header"); ok {
		h, ok := v.(object)
		if !ok {
			return errors.New("--from: header: an object is expected")
		}
		return w.setHeader(h)
	}
	var settings []setting
	for _, m := range o {
		if _, ok := o.get(strings.TrimSuffix(m.name, "_hex")); ok && strings.HasSuffix(m.name, "_hex") {
			continue // the bytes of the member before
		}
		x, ok, err := w.settingOf(o, m)
		if err != nil {
			return fmt.Errorf("--from: %w", err)
		}
		if ok {
			settings = append(settings, x)
		}
	}
	return w.setAll(settings)
}

// settingOf returns the setting that a member of an object stands for, false
// where it stands for none: the value null of what is no name.
func (w *workbench) settingOf(o object, m member) (setting, bool, error) {
	x := setting{path: m.name}
	switch v := m.value.(type) {
	case nil:
		return x, textPath(m.name), nil // no name: it is removed
	case bool:
		x.text = "off"
		if v {
			x.text = "on"
		}
	case json.Number:
		x.text = v.String()
	case string:
		x.text = v
		if w.isText(m.name) {
			text, _, err := o.textOf(m.name)
			x.text = header.Printable(text)
			return x, true, err
		}
	default:
		return x, false, fmt.Errorf("%s: a number, a string, true, false or null is expected", header.Quote(m.name))
	}
	return x, true, nil
}

// isText reports whether a path is of a text, whose escapes set reads.
func (w *workbench) isText(path string) bool {
	if n := w.Area().Lookup(path); textPath(path) || n != nil {
		return textPath(path) || n.Field != nil && n.Field.Kind == header.Text
	}
	im, err := w.image()
	if err != nil || !image.BeyondHeader(path) {
		return false
	}
	n, err := im.Get(path)
	return err == nil && n.Field != nil && n.Field.Kind == header.Text
}

// current is what info -o json says about the header now.
func (w *workbench) current() (object, error) {
	var b bytes.Buffer
	if err := encodeJSON(&b, headerJSON(w.Area()), ""); err != nil {
		return nil, err
	}
	return parseObject(b.Bytes())
}

// setHeader gives the header what an object says that has the members of info
// -o json, as far as it differs.
func (w *workbench) setHeader(want object) error {
	// First what decides how the rest is read.
	first := []string{"magic", "version", "cluster_bits", "header_length"}
	for _, name := range first {
		if err := w.setMembers(want, name); err != nil {
			return err
		}
	}
	// Where the name is to change anyway, its place follows from that.
	place := []string{"backing_file_offset", "backing_file_size"}
	trial := newWorkbench(w, w.Size(), w.Area())
	if err := trial.setMembers(want, place...); err != nil {
		return err
	}
	now, err := trial.current()
	if err != nil {
		return err
	}
	if !differs(now, want, header.PathBackingFile) {
		if err := w.setMembers(want, place...); err != nil {
			return err
		}
	}
	if now, err = w.current(); err != nil {
		return err
	}
	done := slices.Concat(first, place, []string{header.PathExtensions})
	if differs(now, want, header.PathExtensions) {
		v, _ := want.get(header.PathExtensions)
		if err := w.setExtensions(v); err != nil {
			return err
		}
	}
	if differs(now, want, header.PathUnclaimed) {
		return fmt.Errorf("%s: bytes behind the extensions are not set by name but by their offset, as bytes", header.PathUnclaimed)
	}
	for _, m := range want {
		if slices.Contains(done, m.name) || strings.HasSuffix(m.name, "_hex") {
			continue
		}
		if err := w.setMember(now, want, m.name); err != nil {
			return err
		}
	}
	return nil
}

// setMembers sets members that an object gives, those that differ from what is.
func (w *workbench) setMembers(want object, names ...string) error {
	now, err := w.current()
	for i := 0; err == nil && i < len(names); i++ {
		err = w.setMember(now, want, names[i])
	}
	return err
}

// setMember sets a member that an object gives, and that differs.
func (w *workbench) setMember(now, want object, name string) error {
	if !differs(now, want, name) {
		return nil
	}
	v, _ := want.get(name)
	x, ok, err := w.settingOf(want, member{name, v})
	if err != nil || !ok {
		return err
	}
	return w.set(x)
}

// differs reports whether want has a member, or its bytes, that is not what it
// is now.
func differs(now, want object, name string) bool {
	v, ok := want.get(name)
	if !ok {
		return false
	}
	is, _ := now.get(name)
	bytesNow, _ := now.get(name + "_hex")
	bytesWant, _ := want.get(name + "_hex")
	if bytesWant != nil || bytesNow != nil {
		return !reflect.DeepEqual(bytesNow, bytesWant)
	}
	return !reflect.DeepEqual(is, v)
}

// setExtensions makes the extensions those of a list of info -o json.
func (w *workbench) setExtensions(v any) error {
	list, ok := v.([]any)
	if !ok || len(list) > header.MaxExtensions {
		return fmt.Errorf("%s: a list of at most %d objects is expected", header.PathExtensions, header.MaxExtensions)
	}
	var all []header.Extension
	for i, v := range list {
		e, err := extensionOf(v)
		if err != nil {
			return fmt.Errorf("%s: %w", header.ExtensionPath(i), err)
		}
		all = append(all, e)
	}
	titles := len(w.titles)
	err := w.edit(func(d *header.Draft) error {
		for i := len(d.Area().Header.Extensions) - 1; i >= 0; i-- {
			if err := d.DeleteExtension(i); err != nil {
				return err
			}
		}
		for _, e := range all {
			if err := d.AddExtension(e); err != nil {
				return err
			}
		}
		return nil
	})
	w.titles = append(w.titles[:titles], "set "+header.PathExtensions)
	return err
}

// extensionOf returns the extension that an object of info -o json stands for:
// its type and data, which the other members must not contradict.
func extensionOf(v any) (header.Extension, error) {
	var e header.Extension
	o, ok := v.(object)
	if !ok {
		return e, errors.New("an object is expected")
	}
	typ, _ := o.get("type")
	number, _ := typ.(json.Number)
	n, err := number.Int64()
	if err != nil || n <= 0 || n > 1<<32-1 {
		return e, errors.New("type: a number from 1 to 4294967295 is expected")
	}
	e.Type = header.ExtensionType(n)
	for _, part := range []struct {
		name string
		to   *[]byte
	}{{"data", &e.Data}, {"padding", &e.Padding}} {
		digits, _ := o.get(part.name)
		text, _ := digits.(string)
		if *part.to, err = hex.DecodeString(text); err != nil {
			return e, fmt.Errorf("%s: hexadecimal digits are expected", part.name)
		}
	}
	if len(e.Padding) != -len(e.Data)&7 {
		e.Padding = nil // the data has another length now
	}
	var b bytes.Buffer
	if err := encodeJSON(&b, extensionJSON(e, 0), ""); err != nil {
		return e, err
	}
	says, err := parseObject(b.Bytes())
	if err != nil {
		return e, err
	}
	for _, m := range o {
		is, known := says.get(m.name)
		if m.name != "offset" && m.name != "padding" && (!known || !reflect.DeepEqual(is, m.value)) {
			return e, fmt.Errorf("%s is not what data says; change data", header.Quote(m.name))
		}
	}
	return e, nil
}
