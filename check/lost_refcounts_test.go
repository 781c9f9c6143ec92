package check

import (
	"bytes"
	"strings"
	"testing"
)

// A refcount table that its pointer does not lead to any more is found by what it
// says, and with the pointer set to it all is as it was, without growth.
func TestLostRefcountTable(t *testing.T) {
	const path = "header.refcount_table_offset"
	data := func(buf []byte) uint64 { return u64(buf, entry(buf, 3)) & entryOffset }
	for _, c := range []struct {
		name, options string
		do            func(b []byte)
		id            string
	}{
		{name: "past the end", do: func(b []byte) { put64(b, 48, 1<<40) }, id: "table-outside@" + path},
		{name: "not aligned", do: func(b []byte) { put64(b, 48, u64(b, 48)+512) }, id: "header-refcount-table-offset-aligned@" + path},
		{name: "the header", do: func(b []byte) { put64(b, 48, 0) }, id: "header-refcount-table-offset-header@" + path},
		{name: "guest data", do: func(b []byte) { put64(b, 48, data(b)) }, id: "refcount-table-nonsense@" + path},
		{name: "with its size", do: func(b []byte) { put64(b, 48, 1<<40); be.PutUint32(b[56:], 7) }, id: "table-outside@" + path},
		{name: "several clusters and blocks", options: "cluster_size=512", do: func(b []byte) { put64(b, 48, 1<<40) }, id: "table-outside@" + path},
		{name: "refcounts of 1 bit", options: sound + ",refcount_bits=1", do: func(b []byte) { put64(b, 48, 1<<40) }, id: "table-outside@" + path},
		{name: "refcounts of 64 bits", options: sound + ",refcount_bits=64", do: func(b []byte) { put64(b, 48, 1<<40) }, id: "table-outside@" + path},
	} {
		t.Run(c.name, func(t *testing.T) {
			options := c.options
			if options == "" {
				options = sound
			}
			good := qemuMade(t, options, "4M", "write -P 1 0 64k", "write -P 2 3M 64k")
			if c.name == "guest data" {
				prose(good[data(good):][:4*k])
			}
			buf := bytes.Clone(good)
			if c.do(buf); qemuCheck(t, buf) == "" {
				t.Fatal("QEMU finds nothing wrong")
			}
			before := findings(t, buf)
			f := finding(t, before, c.id)
			all := links(f)
			if len(all) != 1 || !all[0].Choice || f.Fix("rebuild") == nil {
				t.Fatalf("fixes: %s", full([]Finding{*f}))
			}
			p := admit(t, buf)
			tx, err := before.Mend(t.Context(), p.session.View(), p.session.Size(), p.session.Area(), []Mending{{f, &all[0]}}, MendOptions{})
			must(t, err)
			after := p.apply(tx)
			if !bytes.Equal(after, good) {
				t.Errorf("%d bytes differ from what it was: %s", changed(after, good), all[0].Title)
			}
			if out := qemuCheck(t, after); out != "" && c.name != "guest data" {
				t.Error(out)
			}
		})
	}
}

// What is no refcount table of this image is not offered.
func TestLostRefcountDecoys(t *testing.T) {
	for name, do := range map[string]func(buf []byte){
		"the table is overwritten": func(b []byte) { prose(b[tableOf(b):][:4*k]); put64(b, 48, 1<<40) },
		"the block is":             func(b []byte) { prose(b[blockOf(b, 0):][:4*k]); put64(b, 48, 1<<40) },
		"it says other refcounts": func(b []byte) {
			for i := range 10 {
				put16(b, blockOf(b, 0)+2*i, 2)
			}
			put64(b, 48, 1<<40)
		},
		"it leads to a table in use": func(b []byte) { put64(b, tableOf(b), uint64(l2Of(b, 0))); put64(b, 48, 1<<40) },
	} {
		t.Run(name, func(t *testing.T) {
			buf := small(t)
			do(buf)
			r := findings(t, buf)
			for i := range r.Findings {
				for _, x := range links(&r.Findings[i]) {
					if strings.Contains(x.Title, "refcount table") {
						t.Errorf("%s: %s", r.Findings[i].ID(), x.Title)
					}
				}
			}
		})
	}
}
