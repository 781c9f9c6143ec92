package tui

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"qedit/header"
)

// FuzzScreen shows whatever bytes there are at a few sizes, and goes through
// them: no panic. Most inputs are found with -fuzzminimizetime 10x.
func FuzzScreen(f *testing.F) {
	images, err := filepath.Glob("../testdata/images/*.qcow2")
	if err != nil || len(images) == 0 {
		f.Fatal("no images", err)
	}
	for _, path := range images {
		buf, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(buf[:min(len(buf), 640)])
	}
	f.Add([]byte{})
	f.Add(tinyImage())
	f.Fuzz(func(t *testing.T, buf []byte) {
		s := openBytes(t, buf, "fuzz", 120, 36)
		s.keys("f8", "g1", "G", "right", "G", "enter", "esc", "g4", "down", "f", "g2", "i", "4142", "tab", "x", "esc", "esc", "G", "w", "g6", "end", "n", "-", "+", "G", "enter", "gu", "j", "G", "i", "41", "esc", "gs", "tab", "tab", "enter", "gr", "j", "enter")
		s.keys("g1", ":l1[0]", "enter", "esc", "enter", ")", "(", "g1", "/", "right", "G", "right", "j", "right", "enter", "esc", "/", "~", "esc")
		s.keys("g1", "/", "/", "/", "G", "enter", "/", "gu", ")", "(", "enter", "]k", "[k", ":open the data file", "enter", "esc", ":open the backing file", "enter", "esc", "backspace")
		for _, size := range [][2]int{{200, 60}, {24, 7}, {80, 24}} {
			s.send(tea.WindowSizeMsg{Width: size[0], Height: size[1]})
		}
	})
}

// tinyImage returns an image of 512-byte clusters with one of each table and a
// cluster of data, small enough to be mutated.
func tinyImage() []byte {
	buf := make([]byte, 6*512)
	put := func(at int, v uint64) { binary.BigEndian.PutUint64(buf[at:], v) }
	copy(buf, "QFI\xfb\x00\x00\x00\x03")
	binary.BigEndian.PutUint32(buf[20:], 9)
	put(24, 1<<16)
	binary.BigEndian.PutUint32(buf[36:], 2) // l1_size
	put(40, 0x200)
	put(48, 0x400)
	binary.BigEndian.PutUint32(buf[56:], 1)
	binary.BigEndian.PutUint32(buf[96:], 4)
	binary.BigEndian.PutUint32(buf[100:], 104)
	put(0x200, 1<<63|0x800)
	put(0x400, 0x600)
	for i := range 6 {
		binary.BigEndian.PutUint16(buf[0x600+2*i:], 1)
	}
	put(0x808, 1<<63|0xa00)
	put(0x810, 1)
	put(0x818, 1<<62|0xa00)
	return buf
}

// What is made to be mutated is an image with tables.
func TestTinyImage(t *testing.T) {
	s := openBytes(t, tinyImage(), "tiny", 120, 36)
	s.keys(":l1[0].l2[1].data", "enter").want("header › l1[0] › l2[1] › data", "guest 0x200")
	s.keys(":refcount_table[0].block[5]", "enter").want("refcount  1", "block[5]")
	s.keys(":l1[0].l2[0]", "enter", "g1", "/", "/").want("[2]", "zero entries").keys("/").want("[3]", "compressed at 0xa00")
}

// withExtensions returns the start of an image of 2 MiB clusters with so many
// extensions of a type with data.
func withExtensions(t testing.TB, typ uint32, data []byte, n int) []byte {
	t.Helper()
	buf := make([]byte, 2<<20)
	copy(buf, imageBytes(t, "plain")[:112])
	binary.BigEndian.PutUint32(buf[20:], 21)
	at := int(binary.BigEndian.Uint32(buf[100:]))
	for range n {
		binary.BigEndian.PutUint32(buf[at:], typ)
		binary.BigEndian.PutUint32(buf[at+4:], uint32(len(data)))
		copy(buf[at+8:], data)
		at += 8 + (len(data)+7)&^7
	}
	return buf
}

// ends ends the tests if something hangs. How fast things are, benchmarks tell.
func ends(t *testing.T, what string, f func()) {
	t.Helper()
	hang := time.AfterFunc(2*time.Minute, func() { panic(t.Name() + ": " + what + " hangs") })
	defer hang.Stop()
	f()
}

// A text as long as an image can have does not hold anything up, and is shown
// as the start of what it is.
func TestLongText(t *testing.T) {
	text := bytes.Repeat([]byte("x"), 1<<20)
	for _, typ := range []header.ExtensionType{header.ExtensionDataFile, header.ExtensionBackingFormat, 0x1234} {
		buf := withExtensions(t, uint32(typ), text, 1)
		s := openBytes(t, buf, "long", 120, 36)
		ends(t, fmt.Sprint(typ), func() {
			s.keys("g1", "ctrl+g", "extensions[0]", "enter", "right", "down", "down", "down")
			s.keys("g3", "G", "gg", "g2", "j", "j", "w")
		})
	}
}

// The inspector takes time in proportion to a text (its square would be hours),
// and shows 1023 bytes of it.
func TestLayOutIsLinear(t *testing.T) {
	for _, text := range []string{strings.Repeat("x", 1<<20), strings.Repeat("é", 1<<19), strings.Repeat("ab ", 1<<18)} {
		ends(t, "a text", func() {
			shown := 0
			for _, s := range layOut([]infoLine{line("value", inkText, text)}, 40)[1:] {
				shown += len(strings.ReplaceAll(s.text, " ", ""))
			}
			if shown > maxText+len("…bytes")+10 {
				t.Errorf("%d bytes are shown", shown)
			}
		})
		ends(t, "words", func() {
			uncut := infoLine{label: "value", runs: []run{{inkText, text}}}
			spans := layOut([]infoLine{uncut}, 40)
			for _, s := range spans {
				if s.x < 0 || s.x+len([]rune(s.text)) > 40 {
					t.Fatalf("%d: %q", s.x, s.text)
				}
			}
		})
	}
}

// As many extensions as a cluster holds, each of them wrong: keys still answer.
func TestManyExtensions(t *testing.T) {
	buf := withExtensions(t, uint32(header.ExtensionBitmaps), nil, 20000)
	var s *screen
	ends(t, "opening", func() { s = openBytes(t, buf, "many", 120, 36) })
	if n := len(s.problems); n > maxProblems {
		t.Errorf("%d problems", n)
	}
	ends(t, "keys", func() { s.keys("g1", "G", "up", "g4", "G", "up", "g2", "j", "j") })
}

// What a node claims may reach past what there is: nothing is out of range.
func TestInksAreClipped(t *testing.T) {
	for n := range 200 {
		buf := imageBytes(t, "demo")[:n]
		if inks, _ := headInks(header.NewArea(buf)); len(inks) > n {
			t.Errorf("%d inks for %d bytes", len(inks), n)
		}
	}
}

// Pointers of the header and of extensions are found.
func TestPointers(t *testing.T) {
	s := openScreen(t, "demo", 80, 24)
	if len(s.pointers) != 4 {
		t.Errorf("pointers at %v", s.pointers)
	}
}
