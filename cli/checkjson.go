package cli

import (
	"qedit/check"
	"qedit/image"
)

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
	if f.With != "" {
		o.addText("with", f.With)
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
