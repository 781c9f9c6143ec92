package cli

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/charmbracelet/x/term"

	"qedit/check"
	"qedit/header"
	"qedit/image"
)

// How many findings the text lists, unless all are asked for.
const (
	shownOfKind = 10 // of each kind
	shownFollow = 5  // that follow from one
)

// checkText prints what a check found for people.
type checkText struct {
	w       io.Writer
	columns int  // lines are broken to fit; 0: they are not
	all     bool // list every finding

	follow    map[string][]*check.Finding // what follows from a finding, by its ID
	explained map[*check.Kind]bool        // it was said what it means
	shown     map[*check.Kind]uint64
	hidden    map[*check.Kind]uint64
}

// Limits of the width that lines are broken to.
const (
	minColumns = 40
	maxColumns = 100
)

// columns returns how wide text for an output is to be: that of the terminal, 0
// where it is none.
func columns(w any) int {
	if !isTerminal(w) {
		return 0
	}
	if c, ok := w.(*checkedWriter); ok {
		w = c.w
	}
	width, _, err := term.GetSize(w.(interface{ Fd() uintptr }).Fd())
	if err != nil || width <= 0 {
		width = 80
	}
	return min(max(width, minColumns), maxColumns)
}

// print prints the findings, each with what follows from it, and then the sums.
func (t *checkText) print(path string, res *check.Result) {
	t.follow, t.explained = map[string][]*check.Finding{}, map[*check.Kind]bool{}
	t.shown, t.hidden = map[*check.Kind]uint64{}, map[*check.Kind]uint64{}
	there := map[string]bool{}
	for i := range res.Findings {
		there[res.Findings[i].ID()] = true
	}
	var first []*check.Finding
	for i := range res.Findings {
		f := &res.Findings[i]
		if f.Cause != "" && there[f.Cause] && f.Cause != f.ID() {
			t.follow[f.Cause] = append(t.follow[f.Cause], f)
		} else {
			first = append(first, f)
		}
	}
	for _, f := range first {
		if t.shown[f.Kind]++; t.shown[f.Kind] > shownOfKind && !t.all {
			t.hidden[f.Kind] += 1 + t.following(f)
			continue
		}
		t.finding(f, "")
		t.effects(f, "  ")
	}
	hidden := false
	for _, k := range check.Kinds() {
		if n := t.hidden[k] + res.More[k.ID]; n > 0 {
			t.line("", "more: ", fmt.Sprintf("%d like %s (%s)", n, k.ID, k.Title))
			hidden = hidden || t.hidden[k] > 0
		}
	}
	switch {
	case hidden:
		t.line("", "", "--all lists them\n")
	case len(res.More) > 0:
		t.line("", "", fmt.Sprintf("no more than %d of a kind are kept\n", check.MaxFindings))
	}
	t.line("", "", header.Printable(path)+": "+verdict(res))
	if text := fixesText(res); text != "" {
		t.line("  ", "", text)
	}
	t.figures(&res.QEMU)
}

// following returns how many findings follow from one.
func (t *checkText) following(f *check.Finding) uint64 {
	n := uint64(0)
	for _, g := range t.follow[f.ID()] {
		n += 1 + t.following(g)
	}
	return n
}

// effects prints what follows from a finding, indented below it.
func (t *checkText) effects(f *check.Finding, indent string) {
	all := t.follow[f.ID()]
	for i, g := range all {
		if i == shownFollow && !t.all {
			left := uint64(0)
			for _, h := range all[i:] {
				left += 1 + t.following(h)
			}
			t.line(indent, "", fmt.Sprintf("and %d more that follow from it; --all lists them\n", left))
			return
		}
		t.finding(g, indent)
		t.effects(g, indent+"  ")
	}
}

// finding prints one finding, its lines indented. What a kind means is said
// once.
func (t *checkText) finding(f *check.Finding, indent string) {
	row := func(name, text string) {
		if text != "" {
			t.line(indent, fmt.Sprintf("  %-6s  ", name), header.Harmless(text))
		}
	}
	t.line(indent, f.Kind.Severity.String()+": ", f.Kind.Title)
	row("id", f.ID())
	found := f.Found
	if f.Want != "" {
		found += "; expected: " + f.Want
	}
	row("found", found)
	row("where", whereText(f))
	row("guest", guestText(f))
	if !t.explained[f.Kind] {
		t.explained[f.Kind] = true
		row("means", f.Kind.Means)
		row("QEMU", f.Kind.QEMU)
	}
	if len(f.Fixes) == 0 && indent == "" {
		row("no fix", f.Kind.NoFix)
	}
	for _, x := range f.Fixes {
		text := x.Name + ": " + x.Title
		if x.Loses != "" {
			text += "; gives up " + x.Loses
		}
		if x.Choice {
			text += " (only when asked for)"
		}
		row("fix", text)
	}
	fmt.Fprintln(t.w)
}

// line prints a line: an indent, a lead, and text that goes on below itself
// where there is no room.
func (t *checkText) line(indent, lead, text string) {
	hang := strings.Repeat(" ", utf8.RuneCountInString(indent+lead))
	line := indent + lead
	used := 0 // characters of text in the line
	for i, word := range strings.Split(text, " ") {
		n := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case t.columns > 0 && used > 0 && len(hang)+used+1+n > t.columns:
			fmt.Fprintln(t.w, strings.TrimRight(line, " "))
			line, used = hang, 0
		default:
			line += " "
			used++
		}
		line += word
		used += n
	}
	fmt.Fprintln(t.w, line)
}

// figures prints what qemu-img check would count.
func (t *checkText) figures(q *check.Figures) {
	if q.Refusal != "" {
		t.line("  ", "", "qemu-img check would not run: "+header.Harmless(q.Refusal))
		return
	}
	share := func(n, of uint64) float64 {
		if of == 0 {
			return 0
		}
		return float64(n) * 100 / float64(of)
	}
	t.line("  ", "", fmt.Sprintf("qemu-img check would count %s, %s, %s",
		header.Count(q.Corruptions, "corruption"), header.Count(q.Leaks, "leak"), header.Count(q.CheckErrors, "check error")))
	t.line("  ", "", fmt.Sprintf("%d of %d clusters = %.2f%% allocated, %.2f%% fragmented, %.2f%% compressed",
		q.AllocatedClusters, q.TotalClusters, share(q.AllocatedClusters, q.TotalClusters),
		share(q.FragmentedClusters, q.AllocatedClusters), share(q.CompressedClusters, q.AllocatedClusters)))
	t.line("  ", "", fmt.Sprintf("image end offset %v", q.ImageEndOffset))
}

// whereText says which bytes and clusters a finding is about.
func whereText(f *check.Finding) string {
	var parts []string
	if f.Length > 0 {
		parts = append(parts, fmt.Sprintf("%s at %v", header.Count(f.Length, "byte"), f.At))
	}
	if f.HostLength > 0 && (f.Host != f.At || f.HostLength != f.Length) {
		parts = append(parts, fmt.Sprintf("about host %v to 0x%x", f.Host, uint64(f.Host)+f.HostLength))
	}
	return strings.Join(parts, ", ")
}

// guestText says which part of the virtual disk a finding hits.
func guestText(f *check.Finding) string {
	if f.GuestLength == 0 {
		return ""
	}
	text := fmt.Sprintf("%v to 0x%x (%s)", f.Guest, uint64(f.Guest)+f.GuestLength, header.FormatSize(f.GuestLength))
	if f.Snapshot != image.Active {
		text += fmt.Sprintf(" of snapshot %d", f.Snapshot)
	}
	return text
}

// verdict says in a line what a check found.
func verdict(res *check.Result) string {
	var parts []string
	for _, s := range []check.Severity{check.Error, check.Leak, check.Warning, check.Note} {
		if n := res.Count(s); n > 0 {
			parts = append(parts, header.Count(n, s.String()))
		}
	}
	if len(parts) == 0 {
		return "nothing is wrong"
	}
	return strings.Join(parts, ", ")
}

// fixesText says how many of the findings can be mended. What follows from
// another one waits until that is.
func fixesText(res *check.Result) string {
	p := res.Prospects()
	var parts []string
	if p.Alone > 0 {
		parts = append(parts, fmt.Sprintf("qedit fix mends %d", p.Alone))
	}
	if p.Asked > 0 {
		parts = append(parts, fmt.Sprintf("%d only when asked for", p.Asked))
	}
	if p.None > 0 {
		parts = append(parts, fmt.Sprintf("no fix for %d", p.None))
	}
	return strings.Join(parts, ", ")
}
