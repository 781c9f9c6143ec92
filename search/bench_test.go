package search

import (
	"bytes"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// benchBytes is what is searched: half of it random, half as text and tables.
const benchBytes = 256 << 20

func benchData() []byte {
	data := make([]byte, benchBytes)
	r := rand.NewChaCha8([32]byte{1})
	_, _ = r.Read(data[:benchBytes/2])
	text := []byte("The quick brown fox jumps over the lazy dog 0123456789.\n")
	for at := benchBytes / 2; at < benchBytes; {
		if at>>16&1 == 0 {
			at += copy(data[at:], text)
		} else { // zeros, and now and then a number
			data[at+7] = byte(at >> 8)
			at += 16
		}
	}
	return data
}

var benchPatterns = []struct{ name, text string }{
	{"literal", "t:needle in the haystack"},
	{"bytes", "51 46 49 fb"},
	{"wildcard", "51 46 ?? fb 00 ?? ?? 03"},
	{"nibbles", "5? ?6 4? ?b"},
	{"folded", "ti:needle in the haystack"},
	{"utf16", "wi:needle"},
	{"number", "u64be:0x8000000000050000"},
	{"regexp prefix", `r:EFI PART\x00+`},
	{"regexp literal", `r:[A-Za-z]+\.vmdk`},
	{"regexp", `r:[0-9a-f]{8}-[0-9a-f]{4}-`},
	{"regexp folded", `r:(?i)needle|haystack`},
}

func BenchmarkMemory(b *testing.B) {
	benchmarkSearch(b, bytes.NewReader(benchData()))
}

func BenchmarkCachedFile(b *testing.B) {
	path := filepath.Join(b.TempDir(), "data")
	if err := os.WriteFile(path, benchData(), 0o600); err != nil {
		b.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	benchmarkSearch(b, f)
}

func benchmarkSearch(b *testing.B, r io.ReaderAt) {
	for _, c := range benchPatterns {
		for _, backward := range []bool{false, true} {
			name := c.name
			if backward {
				name += " backward"
			}
			b.Run(name, func(b *testing.B) {
				b.SetBytes(benchBytes)
				s := Search{Pattern: mustParse(b, c.text), Reader: r, Ranges: []Range{{0, benchBytes}}, Backward: backward}
				before := spent()
				for b.Loop() {
					for _, err := range s.All(b.Context()) {
						if err != nil {
							b.Fatal(err)
						}
					}
				}
				if took := spent() - before; took > 0 { // whatever else the machine does
					b.ReportMetric(float64(benchBytes)*float64(b.N)/1e9/took.Seconds(), "GB/cpu-s")
				}
			})
		}
	}
}

// BenchmarkQuery goes through the L2 tables of an image of 256 GiB, 32 MiB; the
// figure is bytes of tables.
func BenchmarkQuery(b *testing.B) {
	const (
		bits   = 16
		tables = 512
		blocks = 136
	)
	clusters := 2 + 1 + blocks + tables // and data past the end of the file
	data := make(build, clusters<<bits)
	copy(data, newBuild()[:104])
	data.put32(20, bits)
	data.put64(24, 256<<30)
	data.put32(36, tables)
	data.put64(40, 2<<bits)
	data.put64(48, 1<<bits)
	for i := range blocks {
		data.put64(1<<bits+8*i, uint64(3+i)<<bits)
	}
	for i := range tables {
		table := 3 + blocks + i
		data.put64(2<<bits+8*i, 1<<63|uint64(table)<<bits)
		for j := range 8192 {
			data.put64(table<<bits+8*j, 1<<63|uint64(clusters+i*8192+j)<<bits)
		}
	}
	for _, text := range []string{"l2: copied = off", "l2: offset < 1M or reserved", "l2: copied and refcount = 5", "refcount: value > 1"} {
		b.Run(text, func(b *testing.B) {
			im := data.image(b)
			q, err := ParseQuery(im, text)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(tables << bits)
			for b.Loop() {
				for f, err := range q.All(b.Context(), nil) {
					b.Fatal(f, err)
				}
			}
		})
	}
}
