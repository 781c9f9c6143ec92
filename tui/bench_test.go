package tui

import "testing"

// BenchmarkView is a frame at 200x60: what is seen after each key.
func BenchmarkView(b *testing.B) {
	for _, name := range []string{"demo", "many"} {
		b.Run(name, func(b *testing.B) {
			s := openScreen(b, name, 200, 60)
			b.ReportAllocs()
			for b.Loop() {
				s.View()
			}
		})
	}
}

// BenchmarkKey is a key from message to frame at 120x36.
func BenchmarkKey(b *testing.B) {
	s := openScreen(b, "full", 120, 36)
	b.ReportAllocs()
	for b.Loop() {
		s.keys("j")
		if s.cursor.at > 0x10000 {
			s.moveTo(0)
		}
	}
}

// A frame takes two allocations at most: its text, and the cursor.
func TestViewAllocations(t *testing.T) {
	for _, name := range []string{"demo", "many", "full"} {
		s := openScreen(t, name, 200, 60)
		if n := testing.AllocsPerRun(20, func() { s.View() }); n > 2 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
