package cli

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"qedit/check"
	"qedit/editor"
	"qedit/editor/store"
	"qedit/header"
	"qedit/image"
)

// addCompletions has the shell complete what the commands take. Nothing is
// said: what cannot be read completes to nothing.
func addCompletions(cmd *cobra.Command) {
	switch cmd.Name() {
	case "get":
		cmd.ValidArgsFunction = completeAfterFile(completeFields)
	case "set":
		cmd.ValidArgsFunction = completeAfterFile(completeSettings)
	case "fix":
		cmd.ValidArgsFunction = completeFindings
	case "remove":
		cmd.ValidArgsFunction = completeAfterFile(completeBookmarks)
	case "dump", "locate":
		cmd.ValidArgsFunction = completeAfterFile(image.Scope.Complete)
	}
	if p := cmd.Parent(); cmd.Name() == "add" && p != nil && p.Name() == "bookmark" {
		cmd.ValidArgsFunction = completeAfterFile(image.Scope.Complete)
	}
	if cmd.Name() == "export" || cmd.Name() == "import" {
		places := completeAfterFile(image.Scope.Complete)
		cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 1 {
				return places(cmd, args, typed)
			}
			return nil, cobra.ShellCompDirectiveDefault
		}
	}
	if cmd.Flags().Lookup("snapshot") != nil {
		_ = cmd.RegisterFlagCompletionFunc("snapshot", completeSnapshots) // it fails where there is one already
	}
	cmd.Flags().VisitAll(func(f *pflag.Flag) { completeChoice(cmd, f) })
	cmd.PersistentFlags().VisitAll(func(f *pflag.Flag) { completeChoice(cmd, f) })
	for _, sub := range cmd.Commands() {
		addCompletions(sub)
	}
}

// addCompletionCommand adds the command that writes what a shell needs.
func addCompletionCommand(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		if cmd.Name() != "completion" {
			continue
		}
		cmd.Short = "Write what a shell needs to complete words"
		cmd.Long = `Write the script with which a shell completes commands, flags, fields, and the
places of the image that is named. "qedit completion SHELL --help" says where to
put it.

Exit codes: 0 done; 2 wrong usage.`
		cmd.Args = cobra.ArbitraryArgs
		cmd.RunE = func(cmd *cobra.Command, _ []string) error {
			return &usageError{errors.New("which shell? One of bash, fish, powershell, zsh"), cmd}
		}
	}
}

// completeChoice completes the value of a flag that is one of a few words.
func completeChoice(cmd *cobra.Command, f *pflag.Flag) {
	c, ok := f.Value.(*choice)
	if !ok {
		return
	}
	_ = cmd.RegisterFlagCompletionFunc(f.Name, func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return slices.Clone(c.known), cobra.ShellCompDirectiveNoFileComp
	}) // it fails where there is one already
}

// completeAfterFile completes a file name, and behind it what is of that image.
func completeAfterFile(complete func(image.Scope, string) []string) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 0 {
			return nil, cobra.ShellCompDirectiveDefault
		}
		const directive = cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
		scope, done, err := quietScope(args[0])
		if err != nil {
			return nil, directive
		}
		defer done()
		all := complete(scope, typed)
		if len(all) == 1 && complete(scope, all[0]) == nil && !strings.HasSuffix(all[0], "=") {
			return all, cobra.ShellCompDirectiveNoFileComp // nothing can follow
		}
		return all, directive
	}
}

// quietScope opens an image for reading its tables, and for nothing else.
func quietScope(path string) (scope image.Scope, done func(), err error) {
	scope, f, err := quietOpen(path)
	if err != nil {
		return scope, nil, err
	}
	return scope, func() { _ = f.Close() }, nil // nothing was written
}

func quietOpen(path string) (scope image.Scope, f store.Image, err error) {
	f, err = store.Open(path)
	if err != nil {
		return scope, nil, err
	}
	size, err := f.Size()
	if err != nil {
		return scope, nil, errors.Join(err, f.Close())
	}
	// Most headers end long before a page does; one that goes on is read whole.
	buf := make([]byte, min(size, header.MaxClusterSize))
	n, _ := f.ReadAt(buf[:min(len(buf), 4096)], 0) // what cannot be read completes to nothing
	if h, _ := header.Decode(buf[:n]); n == 4096 {
		if cs, ok := h.ClusterSize(); ok {
			buf = buf[:min(uint64(len(buf)), cs)]
			n, _ = f.ReadAt(buf, 0)
		}
	}
	area := header.NewArea(buf[:n])
	scope = image.Scope{Area: area, Size: size}
	if im, err := image.New(f, size, area); err == nil {
		scope.Image = im
	}
	scope.Bookmarks = &lazyBookmarks{all: editor.FindBookmarks(path, f), im: scope.Image}
	return scope, f, nil
}

// findingsTime is how long a check may take whose findings are completed: then
// those that were found so far have to do.
const findingsTime = time.Second

// completeFindings completes the findings of an image, their kinds and fixes.
func completeFindings(_ *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return nil, cobra.ShellCompDirectiveDefault
	}
	const directive = cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
	scope, f, err := quietOpen(args[0])
	if err != nil {
		return nil, directive
	}
	defer f.Close()
	ctx, stop := context.WithTimeout(context.Background(), findingsTime)
	defer stop()
	res, _ := check.Run(ctx, f, scope.Size, scope.Area, check.Options{}) // what was found in time
	var all []string
	add := func(word, says string) {
		if strings.HasPrefix(word, typed) && !slices.ContainsFunc(all, func(c string) bool { return strings.HasPrefix(c, word+"\t") }) {
			all = append(all, word+"\t"+says)
		}
	}
	id, _, named := strings.Cut(typed, "=")
	for i := range res.Findings {
		f := &res.Findings[i]
		for _, x := range f.Fixes {
			switch {
			case named && (id == f.ID() || id == f.Kind.ID):
				add(id+"="+x.Name, header.Harmless(x.Title))
			case !named:
				add(f.Kind.ID, f.Kind.Title)
				add(f.ID(), header.Harmless(f.Found))
			}
			if len(all) >= maxCompletions {
				return all, directive
			}
		}
	}
	return all, directive
}

// maxCompletions is how many words are offered.
const maxCompletions = 500

// completeFields completes the fields that get takes: no positions.
func completeFields(s image.Scope, typed string) []string {
	return slices.DeleteFunc(s.Complete(typed), func(c string) bool {
		return c == "end" || strings.HasPrefix(c, "cluster ") || strings.HasPrefix(c, "guest:")
	})
}

// completeSettings completes FIELD=, and the values that have names.
func completeSettings(s image.Scope, typed string) []string {
	name, value, ok := strings.Cut(typed, "=")
	if !ok {
		all := completeFields(s, typed)
		for i, c := range all {
			if !strings.HasSuffix(c, "[") && !strings.HasSuffix(c, ".") {
				all[i] = c + "="
			}
		}
		return all
	}
	var words []string
	if n := s.Area.Lookup(name); n != nil && n.Bit >= 0 {
		words = []string{"on", "off"}
	} else if n != nil && n.Field != nil {
		words = valueNames(n.Field)
	} else if s.Image != nil {
		if named, err := s.Image.Named(name); err == nil && len(named.Nodes) == 1 && named.Nodes[0].Field != nil {
			words = valueNames(named.Nodes[0].Field)
		}
	}
	var all []string
	for _, w := range words {
		if strings.HasPrefix(w, value) && w != value {
			all = append(all, name+"="+w)
		}
	}
	return all
}

// valueNames are the names of what a field can hold.
func valueNames(f *header.Field) []string {
	var names []string
	for _, v := range f.Values {
		names = append(names, v.Name)
	}
	for _, flag := range f.Flags {
		names = append(names, flag.Name)
	}
	return names
}

// completeBookmarks completes the names of bookmarks.
func completeBookmarks(s image.Scope, typed string) []string {
	return slices.DeleteFunc(s.Bookmarks.Names(), func(name string) bool { return !strings.HasPrefix(name, typed) })
}

// completeSnapshots completes the ids and names of snapshots.
func completeSnapshots(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	scope, done, err := quietScope(args[0])
	if err != nil || scope.Image == nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	defer done()
	var all []string
	for _, c := range scope.Complete("guest:0@") {
		all = append(all, strings.Trim(strings.TrimPrefix(c, "guest:0@"), `"`))
	}
	return all, cobra.ShellCompDirectiveNoFileComp
}
