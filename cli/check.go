package cli

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"qedit/check"
	"qedit/header"
	"qedit/image"
)

// Exit codes of check, as qemu-img check has them.
const (
	ExitErrors = 2
	ExitLeaks  = 3
)

func newCheck(env Env, flags *sessionFlags) *cobra.Command {
	c := &checkCommand{flags: flags}
	var images *many
	cmd := &cobra.Command{
		Use:   "check FILE...",
		Short: "Find what is wrong with the metadata",
		Long: `Read all metadata and list what is wrong: where, what was found, what was
expected, what it means for the guest, and which fixes there are. What follows
from a finding is listed under it. Nothing is changed, and nothing that the
image names is opened: it works without a backing file, a data file or a key,
and while a virtual machine has the image (what that has not written yet is not
seen).

The last lines are what qemu-img check would count, by its rules; json has them
under its own names in "qemu", beside "findings". With several files, or - for
names on standard input, json is one object a line, in the order of the names.

Exit codes, as those of qemu-img check: 0 nothing is wrong, but for warnings and
notes; 1 it could not be checked; 2 errors, or wrong usage; 3 leaks and no
errors; 130 interrupted. Of several files it is the worst: 1, 2, 3, 0.`,
		Example: "  qedit check disk.qcow2\n  find . -name '*.qcow2' -print0 | qedit check -0 -o json -",
		Args:    atLeast(1, "FILE, or - for names on standard input"),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := interruptible(cmd)
			defer stop()
			if !several(args) {
				return c.run(ctx, env, args[0])
			}
			c.lines = c.out.value == "json"
			if !c.lines {
				images.between = "\n"
			}
			return images.each(ctx, args, c.lines, c.run)
		},
	}
	c.out = addOutput(cmd, "text", "json")
	images = addMany(cmd, env)
	images.severity = []int{ExitLeaks, ExitErrors, ExitFailed}
	return cmd
}

// checkCommand is a run of check.
type checkCommand struct {
	flags *sessionFlags
	out   *choice
	lines bool // each image is one line of JSON
}

// run checks an image and prints what was found.
func (c *checkCommand) run(ctx context.Context, env Env, path string) error {
	s, err := c.flags.with(env).look(path)
	if err != nil {
		return err
	}
	defer s.Close()
	m := newMeter(env, "checking")
	res, err := check.Run(ctx, s.View(), s.Size(), s.Area(), check.Options{Progress: m.progress})
	m.end()
	if err != nil {
		return err
	}
	if c.out.value == "json" {
		indent := "  "
		if c.lines {
			indent = ""
		}
		err = encodeJSON(env.Stdout, checkJSON(path, s.Size(), res), indent)
	} else {
		checkText(env.Stdout, path, res)
	}
	if err != nil {
		return err
	}
	return checkExit(res)
}

// checkExit returns the exit code of a check.
func checkExit(res *check.Result) error {
	switch {
	case res.QEMU.CheckErrors > 0:
		return exitError(ExitFailed)
	case res.QEMU.Corruptions > 0 || res.Count(check.Error) > 0:
		return exitError(ExitErrors)
	case res.QEMU.Leaks > 0 || res.Count(check.Leak) > 0:
		return exitError(ExitLeaks)
	}
	return nil
}

// checkText prints findings for people: each with what follows from it.
func checkText(w io.Writer, path string, res *check.Result) {
	follow := map[string][]*check.Finding{}
	for i := range res.Findings {
		if f := &res.Findings[i]; f.Cause != "" {
			follow[f.Cause] = append(follow[f.Cause], f)
		}
	}
	for i := range res.Findings {
		f := &res.Findings[i]
		if f.Cause != "" {
			continue
		}
		findingText(w, f, "")
		for _, g := range follow[f.ID()] {
			findingText(w, g, "  ")
		}
	}
	for _, k := range check.Kinds() {
		if n := res.More[k.ID]; n > 0 {
			fmt.Fprintf(w, "%s: and %d more like these\n\n", k.Title, n)
		}
	}
	fmt.Fprintf(w, "%s: %s\n", header.Printable(path), verdict(res))
	fmt.Fprintf(w, "qemu-img check %s\n", figuresText(&res.QEMU))
}

// findingText prints one finding, its lines indented.
func findingText(w io.Writer, f *check.Finding, indent string) {
	line := func(name, text string) {
		if text == "" {
			return
		}
		fmt.Fprintf(w, "%s  %-8s %s\n", indent, name, header.Harmless(text))
	}
	fmt.Fprintf(w, "%s%s: %s (%s)\n", indent, f.Kind.Severity, f.Kind.Title, header.Harmless(f.ID()))
	found := f.Found
	if f.Want != "" {
		found += "; expected: " + f.Want
	}
	line("found", found)
	line("where", whereText(f))
	line("guest", guestText(f))
	if indent == "" {
		line("means", f.Kind.Means)
		line("QEMU", f.Kind.QEMU)
		if len(f.Fixes) == 0 {
			line("no fix", f.Kind.NoFix)
		}
	}
	for _, x := range f.Fixes {
		text := x.Name + ": " + x.Title
		if x.Loses != "" {
			text += "; gives up " + x.Loses
		}
		if x.Choice {
			text += " (only when asked for)"
		}
		line("fix", text)
	}
	fmt.Fprintln(w)
}

// whereText says which bytes and clusters a finding is about.
func whereText(f *check.Finding) string {
	var parts []string
	if f.Length > 0 {
		parts = append(parts, fmt.Sprintf("%d bytes at %v", f.Length, f.At))
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
			parts = append(parts, counted(n, s.String()))
		}
	}
	if len(parts) == 0 {
		return "nothing is wrong"
	}
	return strings.Join(parts, ", ")
}

// figuresText says in a line what qemu-img check would count.
func figuresText(q *check.Figures) string {
	if q.Refusal != "" {
		return "would not run: " + header.Harmless(q.Refusal)
	}
	share := func(n, of uint64) float64 {
		if of == 0 {
			return 0
		}
		return float64(n) * 100 / float64(of)
	}
	return fmt.Sprintf(`would count %s, %s, %s; image end offset %v
%d of %d clusters = %.2f%% allocated, %.2f%% fragmented, %.2f%% compressed`,
		counted(q.Corruptions, "corruption"), counted(q.Leaks, "leak"), counted(q.CheckErrors, "check error"), q.ImageEndOffset,
		q.AllocatedClusters, q.TotalClusters, share(q.AllocatedClusters, q.TotalClusters),
		share(q.FragmentedClusters, q.AllocatedClusters), share(q.CompressedClusters, q.AllocatedClusters))
}

// checkJSON is what a check found, without loss.
func checkJSON(path string, size int64, res *check.Result) object {
	o := object{}
	o.addText("file", path)
	o.add("file_size", size)
	q := res.QEMU
	figures := object{}
	figures.addText("filename", path)
	figures.add("format", "qcow2")
	figures.add("check-errors", q.CheckErrors)
	figures.add("image-end-offset", q.ImageEndOffset)
	figures.add("total-clusters", q.TotalClusters)
	figures.add("allocated-clusters", q.AllocatedClusters)
	figures.add("fragmented-clusters", q.FragmentedClusters)
	figures.add("compressed-clusters", q.CompressedClusters)
	figures.add("corruptions", q.Corruptions)
	figures.add("leaks", q.Leaks)
	o.add("qemu", figures)
	if q.Refusal != "" {
		o.addText("qemu_refuses", q.Refusal)
	} else {
		o.add("qemu_refuses", nil)
	}
	counts := object{}
	for _, s := range []check.Severity{check.Error, check.Leak, check.Warning, check.Note} {
		counts.add(s.String()+"s", res.Count(s))
	}
	o.add("counts", counts)
	findings := []any{}
	for i := range res.Findings {
		findings = append(findings, findingJSON(&res.Findings[i]))
	}
	o.add("findings", findings)
	more := object{}
	for _, k := range check.Kinds() {
		if n := res.More[k.ID]; n > 0 {
			more.add(k.ID, n)
		}
	}
	o.add("more", more) // findings of a kind that are left out
	return o
}

func findingJSON(f *check.Finding) object {
	o := object{}
	o.addText("id", f.ID())
	o.add("kind", f.Kind.ID)
	o.add("severity", f.Kind.Severity.String())
	o.add("title", f.Kind.Title)
	o.addText("path", f.Path)
	o.add("offset", f.At)
	o.add("length", f.Length)
	o.add("host_offset", f.Host)
	o.add("host_length", f.HostLength)
	o.add("count", f.Count)
	if f.GuestLength > 0 {
		o.add("guest_offset", f.Guest)
		o.add("guest_length", f.GuestLength)
		if f.Snapshot != image.Active {
			o.add("snapshot", f.Snapshot)
		}
	}
	o.addText("found", f.Found)
	o.addText("want", f.Want)
	o.add("means", f.Kind.Means)
	o.add("qemu", f.Kind.QEMU)
	if f.Cause != "" {
		o.addText("cause", f.Cause)
	}
	fixes := []any{}
	for _, x := range f.Fixes {
		fix := object{{"name", x.Name}}
		fix.addText("title", x.Title)
		fix.addText("loses", x.Loses)
		fix.add("choice", x.Choice)
		fixes = append(fixes, fix)
	}
	o.add("fixes", fixes)
	if len(f.Fixes) == 0 {
		o.add("no_fix", f.Kind.NoFix)
	}
	return o
}
