package tui

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"qedit/tui/grid"
)

// Texts that tell a person which key to press: keys by themselves where a line is
// put together, and sentences with one. Esc and Ctrl-C always cancel.
var (
	aloneKey = regexp.MustCompile(`^(F[1-9][0-9]?|\^[A-Z]|[a-zA-Z?/~+-]|g[a-z0-9/]|Enter|Tab|Space|Backspace)$`)
	inText   = regexp.MustCompile(`\b(S-)?F[1-9][0-9]?\b|\^[A-Z]\b|\bCtrl-[ABD-Z]\b|\bg ?[0-9/]|\bg [a-z]\b|\bg[a-z] (lists|shows)|\b(press|type) [a-zA-Z]\b|\b(u|U) (undo|takes|reverts)|\bf offers|\b(Backspace|Enter|Insert|Space|Tab)\b|\? lists|\(gr`)
)

// showing are functions that put a text on the screen.
var showing = map[string]bool{"say": true, "warn": true, "line": true, "and": true, "Fit": true, "Text": true, "sayWhole": true, "text": true}

// Messages take their keys from the table of actions: a person may have bound
// others. Dialogs write theirs from what they answer to.
func TestNoKeyInMessages(t *testing.T) {
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		// In these keys are read and written, and told of dialogs.
		if name := f.Name(); !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") || name == "help.go" || name == "keymap.go" || name == "prompt.go" {
			continue
		}
		set := token.NewFileSet()
		tree, err := parser.ParseFile(set, f.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		findKeys(tree, func(at token.Pos, text string) {
			t.Errorf("%v: %q names a key; Model.keyOf does", set.Position(at), text)
		})
	}
}

// findKeys looks for texts that name a key.
func findKeys(tree ast.Node, found func(token.Pos, string)) {
	alone := map[ast.Expr]bool{} // literals that are shown
	ast.Inspect(tree, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GenDecl:
			if v, ok := n.Specs[0].(*ast.ValueSpec); ok && len(v.Names) > 0 && v.Names[0].Name == "keyWords" {
				return false
			}
		case *ast.CallExpr:
			name := called(n)
			if name == "keyOf" || name == "bind" || name == "action" {
				return false
			}
			for _, arg := range n.Args {
				alone[arg] = showing[name]
			}
		case *ast.BasicLit:
			text, _ := strconv.Unquote(n.Value)
			if n.Kind == token.STRING && (alone[n] && aloneKey.MatchString(text) || strings.Contains(text, " ") && inText.MatchString(text)) {
				found(n.Pos(), text)
			}
		}
		return true
	})
}

func called(call *ast.CallExpr) string {
	switch f := call.Fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		return f.Sel.Name
	}
	return ""
}

// What keys do is told whole, on any screen.
func TestHelpIsWhole(t *testing.T) {
	for _, size := range [][2]int{{40, 24}, {80, 24}, {200, 60}} {
		s := openScreen(t, "full", size[0], size[1]).keys("?")
		width := s.dialogs[0].(*helpDialog).width - max(1, size[0]/100)
		for _, row := range s.dialogs[0].(*helpDialog).rows {
			if row.keys != "" || row.more {
				if keysColumn(width)+grid.Width(row.text) > width {
					t.Errorf("%v: %q is cut", size, row.text)
				}
			}
		}
		if found := strings.Count(s.text(), "…"); size[0] >= 80 && found > 0 {
			t.Errorf("%v: %d texts are cut:\n%s", size, found, s.text())
		}
	}
}
