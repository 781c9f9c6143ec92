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
				for b.Loop() {
					for _, err := range s.All(b.Context()) {
						if err != nil {
							b.Fatal(err)
						}
					}
				}
			})
		}
	}
}
