package review

import (
	"context"
	"fmt"

	"qedit/editor"
	"qedit/header"
	"qedit/image"
)

// A Hit is a field, or a run of bytes, that an edit changes.
type Hit struct {
	Offset   header.HostOffset
	Name     string // the path of the field, or what the bytes belong to, for people
	Old, New string // "" for nothing
}

// Bounds of what Hits lists and of what it looks at for that.
const (
	MaxHits   = 200
	maxLooks  = 4096
	hitDigits = 8 // bytes of a run that are told
)

// Hits lists the fields that sorted, disjoint replacements change, and what is none
// of these as bytes, with what they belong to before the edit. There may be more
// than it lists: more than MaxHits, or ctx has ended.
func (e Edit) Hits(ctx context.Context, runs []editor.Replacement) (all []Hit, more bool) {
	for _, c := range editor.FieldChanges(e.Was, e.Is) {
		all = append(all, Hit{c.Offset, c.Path, c.Old, c.New})
	}
	n, err := e.Namer()
	if err != nil {
		n = nil // bytes they are
	}
	seen := map[string]bool{}
	looks, end := 0, max(e.Was.End(), e.Is.End())
	for _, w := range runs {
		for at := max(w.Offset, end); at < w.End(); {
			if looks++; looks > maxLooks || len(all) >= MaxHits || ctx.Err() != nil {
				return all[:min(len(all), MaxHits)], true
			}
			hits, next := n.hits(at, w)
			for _, h := range hits {
				if !seen[h.Name] {
					all = append(all, h)
				}
				seen[h.Name] = true
			}
			at = max(next, at+1)
		}
	}
	return all[:min(len(all), MaxHits)], len(all) > MaxHits
}

// hits returns what a byte of a run belongs to, and where that ends.
func (n *Namer) hits(at header.HostOffset, w editor.Replacement) ([]Hit, header.HostOffset) {
	bytes := func(name string, end header.HostOffset) ([]Hit, header.HostOffset) {
		end = min(end, w.End())
		from, to := at-w.Offset, end-w.Offset
		return []Hit{{at, name, someBytes(w.Old[from:to]), someBytes(w.New[from:to])}}, end
	}
	if n == nil || n.misses <= 0 {
		return bytes("bytes", w.End())
	}
	l := n.was.Locate(at)
	if changes, end := n.changes(&l); len(changes) > 0 {
		var hits []Hit
		for _, c := range changes {
			hits = append(hits, Hit{c.Offset, c.Path, c.Old, c.New})
		}
		return hits, end
	}
	cs := header.HostOffset(n.was.ClusterSize())
	end := at&^(cs-1) + cs
	switch {
	case l.HasTable:
		return bytes(l.Entry.Path(), l.Entry.Offset+header.HostOffset(max(l.Entry.Length(), 1)))
	case l.Field != "":
		if f, err := n.was.Get(l.Field); err == nil && f.Contains(at) {
			end = f.Offset + header.HostOffset(f.Length)
		}
		return bytes(l.Field, end)
	case l.HasGuest && l.Snapshot != image.Active:
		return bytes(fmt.Sprintf("%s, guest %v of snapshot[%d]", l.Title, l.Guest, l.Snapshot), end)
	case l.HasGuest:
		return bytes(fmt.Sprintf("%s, guest %v", l.Title, l.Guest), end)
	case l.Role == header.RoleNone:
		n.misses--
		return bytes("bytes of no known structure", end)
	}
	return bytes(l.Title, end)
}

// someBytes returns the first of some bytes as digits.
func someBytes(b []byte) string {
	if len(b) > hitDigits {
		return fmt.Sprintf("% x …", b[:hitDigits])
	}
	return fmt.Sprintf("% x", b)
}
