package header_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/lima-vm/go-qcow2reader/image/qcow2"
	"pgregory.net/rapid"

	"qedit/header"
)

// genHeader draws valid headers of both versions.
func genHeader(t *rapid.T) *header.Header {
	bits := rapid.Uint32Range(12, 21).Draw(t, "cluster_bits")
	cluster := uint64(1) << bits
	at := func(label string) header.HostOffset {
		return header.HostOffset(rapid.Uint64Range(1, 1<<20).Draw(t, label) * cluster)
	}
	h := &header.Header{
		Magic:                 header.Magic,
		Version:               rapid.SampledFrom([]header.Version{header.Two, header.Three}).Draw(t, "version"),
		ClusterBits:           bits,
		Size:                  rapid.Uint64Range(0, 1<<24).Draw(t, "size") * 512,
		CryptMethod:           rapid.SampledFrom([]header.CryptMethod{header.CryptNone, header.CryptAes}).Draw(t, "crypt"),
		L1TableOffset:         at("l1"),
		RefcountTableOffset:   at("refcounts"),
		RefcountTableClusters: rapid.Uint32Range(1, 4).Draw(t, "refcount_table_clusters"),
		NbSnapshots:           rapid.Uint32Range(0, 9).Draw(t, "nb_snapshots"),
		SnapshotsOffset:       at("snapshots"),
		RefcountOrder:         4,
		HeaderLength:          72,
	}
	if h.Version == header.Three {
		h.IncompatibleFeatures = rapid.Uint64Range(0, 3).Draw(t, "incompatible")
		h.CompatibleFeatures = rapid.Uint64().Draw(t, "compatible")
		h.AutoclearFeatures = rapid.Uint64().Draw(t, "autoclear") &^ 3
		h.RefcountOrder = rapid.Uint32Range(0, 6).Draw(t, "refcount_order")
		h.HeaderLength = rapid.SampledFrom([]uint32{104, 112, 120, 256}).Draw(t, "header_length")
		if n := int(h.HeaderLength) - 112; n > 0 {
			h.UnknownFields = rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, "unknown")
		}
		if h.HeaderLength > 104 && rapid.Bool().Draw(t, "zstd") {
			h.CompressionType = header.Zstd
			h.IncompatibleFeatures |= header.IncompatibleCompressionType
		}
	}
	h.L1Size = uint32(h.L2TablesRequired()) + rapid.Uint32Range(0, 9).Draw(t, "spare")
	for i := range rapid.IntRange(0, 6).Draw(t, "extensions") {
		data := rapid.SliceOfN(rapid.Byte(), 0, 70).Draw(t, "data")
		e := header.Extension{Type: header.ExtensionType(0x1000 + i), Data: data}
		if n := (8 - len(data)%8) % 8; n > 0 && rapid.Bool().Draw(t, "padded") {
			if pad := rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, "padding"); !bytes.Equal(pad, make([]byte, n)) {
				e.Padding = pad
			}
		}
		h.Extensions = append(h.Extensions, e)
	}
	if rapid.Bool().Draw(t, "backed") {
		h.BackingFile = rapid.StringMatching(`[ -~é]{1,80}`).Draw(t, "name")
		h.BackingFileSize = uint32(len(h.BackingFile))
		end := h.Sizeof()
		gap := rapid.IntRange(0, 40).Draw(t, "gap")
		h.BackingFileOffset = header.HostOffset(end + gap)
		if unclaimed := rapid.SliceOfN(rapid.Byte(), gap, gap).Draw(t, "unclaimed"); !bytes.Equal(unclaimed, make([]byte, gap)) {
			h.Unclaimed = unclaimed
		}
	}
	return h
}

// A valid header comes back from its bytes, and the bytes from the header.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := genHeader(t)
		buf := make([]byte, h.Sizeof()+5)
		rest, err := h.Write(buf)
		if err != nil || len(rest) != 5 {
			t.Fatalf("%d bytes left, %v", len(rest), err)
		}
		got, rest, err := header.Read(buf)
		if err != nil || len(rest) != 5 {
			t.Fatalf("%d bytes left, %v", len(rest), err)
		}
		if d := cmp.Diff(h, got, cmp.Transformer("bytes", func(b []byte) string { return string(b) })); d != "" {
			t.Fatal(d)
		}
		if h.Compare(got) != 0 {
			t.Error("Compare sees a difference")
		}
		again := make([]byte, got.Sizeof())
		if _, err := got.Write(again); err != nil || !bytes.Equal(again, buf[:len(again)]) {
			t.Error("other bytes", err)
		}
	})
}

func TestCompareIsATotalOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := genHeader(t), genHeader(t), genHeader(t)
		if a.Compare(b) != -b.Compare(a) {
			t.Error("not antisymmetric")
		}
		if a.Compare(b) <= 0 && b.Compare(c) <= 0 && a.Compare(c) > 0 {
			t.Error("not transitive")
		}
		if a.Compare(b) == 0 && !bytes.Equal(header.Stored(a), header.Stored(b)) {
			t.Error("equal with other bytes")
		}
	})
}

// Sexp and ParseSexp are inverse for all that the grammar can say.
func TestSexpRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := genHeader(t)
		for _, form := range []string{h.Sexp(), h.String()} {
			got, err := header.ParseSexp(form)
			if err != nil {
				t.Fatalf("%v\n%s", err, form)
			}
			if got.Sexp() != h.Sexp() {
				t.Errorf("got  %s\nwant %s", got.Sexp(), h.Sexp())
			}
		}
	})
}

func TestWriteRefuses(t *testing.T) {
	valid := func() *header.Header {
		h, _, err := header.Read(oracleFile(t, "headers", "v3_backing_rel.bin"))
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	for name, spoil := range map[string]func(*header.Header){
		"a broken rule":                         func(h *header.Header) { h.ClusterBits = 3 },
		"features in version 2":                 func(h *header.Header) { h.Version = header.Two; h.CompatibleFeatures = 1 },
		"8-bit refcounts in version 2":          func(h *header.Header) { h.Version = header.Two; h.RefcountOrder = 3 },
		"a name without an offset":              func(h *header.Header) { h.BackingFileOffset = 0 },
		"a name shorter than it says":           func(h *header.Header) { h.BackingFile = "b" },
		"a name over the extensions":            func(h *header.Header) { h.BackingFileOffset = 200 },
		"fields that header_length has not":     func(h *header.Header) { h.UnknownFields = make([]byte, 8) },
		"too few unknown fields":                func(h *header.Header) { h.HeaderLength = 128; h.BackingFileOffset += 16 },
		"compression_type without room":         func(h *header.Header) { h.HeaderLength = 104; h.CompressionType = 1; h.IncompatibleFeatures = 8 },
		"an end marker among extensions":        func(h *header.Header) { h.Extensions[0].Type = 0 },
		"padding of the wrong length":           func(h *header.Header) { h.Extensions[0].Padding = make([]byte, 2) },
		"an extension larger than the cluster":  func(h *header.Header) { h.Extensions[1].Data = make([]byte, 70000) },
		"unclaimed bytes that fill no gap":      func(h *header.Header) { h.Unclaimed = make([]byte, 99) },
		"a backing file and raw external data":  func(h *header.Header) { h.IncompatibleFeatures = 4; h.AutoclearFeatures = 2 },
		"a bitmaps flag without the extension":  func(h *header.Header) { h.AutoclearFeatures = 1 },
		"a LUKS method without the LUKS header": func(h *header.Header) { h.CryptMethod = header.CryptLuks },
	} {
		t.Run(name, func(t *testing.T) {
			h := valid()
			spoil(h)
			buf := bytes.Repeat([]byte{0xaa}, 80000)
			rest, err := h.Write(buf)
			var invalid *header.InvalidError
			if !errors.As(err, &invalid) || len(invalid.Violations) == 0 {
				t.Fatalf("%v, want an InvalidError", err)
			}
			if len(rest) != len(buf) || !bytes.Equal(buf, bytes.Repeat([]byte{0xaa}, len(buf))) {
				t.Error("something was written")
			}
		})
	}
	t.Run("a short buffer", func(t *testing.T) {
		h := valid()
		buf := bytes.Repeat([]byte{0xaa}, h.Sizeof()-1)
		if _, err := h.Write(buf); !errors.Is(err, io.ErrShortBuffer) {
			t.Error(err)
		}
		if !bytes.Equal(buf, bytes.Repeat([]byte{0xaa}, len(buf))) {
			t.Error("something was written")
		}
	})
}

// A header that is called plain breaks no rule of the tables. Random headers,
// random changes to real ones, and every change of the rules' own tests.
func TestPlain(t *testing.T) {
	plain := 0
	check := func(t interface{ Errorf(string, ...any) }, buf []byte) {
		h, _ := header.Decode(buf)
		if !header.Plain(h) {
			return
		}
		plain++
		if vs := header.TableViolations(h); len(vs) > 0 {
			t.Errorf("plain, but %v", vs)
		}
	}
	for _, name := range oracleHeaders(t) {
		check(t, oracleFile(t, "headers", name+".bin"))
	}
	if plain < 15 {
		t.Errorf("only %d of the oracle's headers are plain", plain)
	}
	for _, c := range broken {
		if c.change != nil {
			buf := validCluster(t)
			c.change(buf)
			check(t, buf)
		}
	}
	base := validCluster(t)[:2048]
	rapid.Check(t, func(t *rapid.T) {
		buf := make([]byte, 4096)
		if rapid.Bool().Draw(t, "drawn") {
			copy(buf, header.Stored(genHeader(t)))
		} else {
			copy(buf, base)
		}
		for range rapid.IntRange(0, 3).Draw(t, "changes") {
			buf[rapid.OneOf(rapid.IntRange(0, 135), rapid.IntRange(0, 2047)).Draw(t, "at")] = rapid.Byte().Draw(t, "value")
		}
		check(t, buf)
	})
}

// What QEMU does not open but the specification allows is read and written.
func TestUnspecifiedPasses(t *testing.T) {
	buf := validCluster(t)
	put32(20, 22)(buf)
	put64(40, 3<<22)(buf)
	put64(48, 1<<22)(buf)
	h, _, err := header.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Write(make([]byte, h.Sizeof())); err != nil {
		t.Error(err)
	}
}

func seeds(f *testing.F) {
	for _, name := range oracleHeaders(f) {
		f.Add(oracleFile(f, "headers", name+".bin"))
	}
}

// Any bytes decode, within bounds; every part lies inside the area and can be
// shown.
func FuzzDecode(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, buf []byte) {
		before := bytes.Clone(buf)
		h, vs := header.Decode(buf)
		if h.Sizeof() < 72 || len(h.Extensions) > header.MaxExtensions {
			t.Errorf("Sizeof %d, %d extensions", h.Sizeof(), len(h.Extensions))
		}
		for _, v := range vs {
			_ = v.String()
		}
		_, _, _ = h.RefcountsPerCluster(), h.MaxRefcountTableSize(), h.L2TablesRequired()
		if again, err := header.ParseSexp(h.Sexp()); err != nil {
			t.Errorf("%v in %s", err, h.Sexp())
		} else if again.Sexp() != h.Sexp() {
			t.Errorf("%s\n%s", again.Sexp(), h.Sexp())
		}
		a := header.NewArea(buf)
		walk(a.Nodes, func(n *header.Node) {
			_, _ = a.Value(n), a.Describe(n)
			if a.Lookup(n.Path) == nil {
				t.Errorf("%s is not found by its path", n.Path)
			}
		})
		a.At(header.HostOffset(len(buf) / 2))
		checkArea(t, buf)
		if !bytes.Equal(before, buf) {
			t.Error("the buffer was changed")
		}
	})
}

func walk(nodes []*header.Node, visit func(*header.Node)) {
	for _, n := range nodes {
		visit(n)
		walk(n.Children(), visit)
	}
}

// What Read accepts, Write gives back byte for byte.
func FuzzReadWrite(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, buf []byte) {
		h, rest, err := header.Read(buf)
		if err != nil {
			return
		}
		out := make([]byte, h.Sizeof())
		if _, err := h.Write(out); err != nil {
			t.Fatalf("read, but not written: %v", err)
		}
		whole := append(bytes.Clone(buf), make([]byte, max(0, len(out)-len(buf)))...)
		if !bytes.Equal(out, whole[:len(out)]) {
			t.Errorf("other bytes: %s", cmp.Diff(whole[:len(out)], out))
		}
		if want := max(0, len(buf)-len(out)); len(rest) != want {
			t.Errorf("%d bytes left, want %d", len(rest), want)
		}
	})
}

// Any text is an s-expression of a header or a SexpError; what is accepted
// prints and reads to the same.
func FuzzParseSexp(f *testing.F) {
	for _, name := range oracleHeaders(f) {
		h, _ := header.Decode(oracleFile(f, "headers", name+".bin"))
		f.Add(h.Sexp())
		f.Add(h.String())
	}
	f.Fuzz(func(t *testing.T, text string) {
		h, err := header.ParseSexp(text)
		if err != nil {
			var se *header.SexpError
			if !errors.As(err, &se) || se.Offset > len(text) {
				t.Errorf("%v", err)
			}
			return
		}
		for _, form := range []string{h.Sexp(), h.String()} {
			again, err := header.ParseSexp(form)
			if err != nil || again.Sexp() != h.Sexp() {
				t.Errorf("%v\n%s", err, form)
			}
		}
	})
}

// image is the start of an overlay that QEMU made.
func image(b *testing.B) []byte {
	buf := make([]byte, 4*65536)
	copy(buf, oracleFile(b, "headers", "v3_backing_rel.bin"))
	return buf
}

func BenchmarkRead(b *testing.B) {
	buf := oracleFile(b, "headers", "v3_default.bin")
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := header.Read(buf); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkReadBacked is the header of an overlay: backing format and name.
func BenchmarkReadBacked(b *testing.B) {
	buf := image(b)[:1024]
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := header.Read(buf); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkReadGoQcow2reader is the same header read by go-qcow2reader, with
// the one entry of its L1 table.
func BenchmarkReadGoQcow2reader(b *testing.B) {
	buf := make([]byte, 4*65536)
	copy(buf, oracleFile(b, "headers", "v3_default.bin"))
	r := bytes.NewReader(buf)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := qcow2.Open(r, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkWrite(b *testing.B) {
	h, _, err := header.Read(image(b)[:1024])
	if err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, h.Sizeof())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := h.Write(buf); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeGarbage(b *testing.B) {
	buf := bytes.Repeat([]byte{0xff}, 1<<20)
	b.ReportAllocs()
	for b.Loop() {
		header.Decode(buf)
	}
}
