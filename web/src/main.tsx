import { render } from 'preact'
import { App } from './app.tsx'
import { startRouter } from './router.ts'
import './styles/tokens.css'
import './styles/base.css'
import './styles/shell.css'
import './styles/controls.css'
import { startTheme } from './theme.ts'

startTheme()
startRouter()
render(<App />, document.getElementById('app')!)
