import type { CommandSpec } from './command.ts'

export const RUN_COMMANDS: readonly CommandSpec[] = [
  {
    path: ['node'],
    aliases: ['start'],
    group: 'Run',
    summary: 'Run a node, which is what weir does without a command',
    description: [
      'Answers on http://127.0.0.1:9347 and keeps its data in ./data. Ends on SIGTERM or Ctrl-C after answering what it has taken in; a second signal ends it at once.',
    ],
    takesSettings: true,
    examples: [
      { about: 'with the logs of a small shop to look at', line: 'weir node --demo' },
      { about: 'elsewhere', line: 'weir node --http.port 9000 --data.dir /var/lib/weir' },
    ],
  },
  {
    path: ['config'],
    group: 'Run',
    summary: 'Print every setting: value, unit, default, where the value comes from',
    takesSettings: true,
    examples: [{ about: 'what a node would run with', line: 'weir config --explain' }],
  },
  {
    path: ['restore'],
    group: 'Run',
    summary: 'Fill an empty registry from the object store, after NATS or the data directory was lost',
    takesSettings: true,
    examples: [{ about: 'of a cluster', line: 'weir restore --nats.url nats://a:4222 --s3.bucket logs' }],
  },
  {
    path: ['agent'],
    group: 'Run',
    summary: 'Run the shipper, which follows files and delivers each line exactly once',
    description: ['Its configuration is agent.yaml; docs/agents/weir-agent.md says more. Takes options of its own.'],
    examples: [{ about: 'with a configuration', line: 'weir agent --config agent.yaml' }],
  },
  {
    path: ['completion'],
    group: 'Run',
    summary: 'Print what completes the words of weir in a shell',
    words: [{ name: 'shell', about: 'bash, zsh or fish.' }],
    examples: [
      { about: 'in ~/.bashrc', line: 'source <(weir completion bash)' },
      { about: 'in ~/.zshrc', line: 'source <(weir completion zsh)' },
      { about: 'for fish', line: 'weir completion fish > ~/.config/fish/completions/weir.fish' },
    ],
    load: () => import('./commands/completion.ts'),
  },
]
