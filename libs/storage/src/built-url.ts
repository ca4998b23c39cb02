/**
 * The built form of a module of this repository. Threads run what the build made, also where tests load the sources
 * themselves.
 */
export const builtUrl = (moduleUrl: string): string =>
  moduleUrl.endsWith('.ts')
    ? moduleUrl.replace(/\/(apps|libs)\/(?!.*\/(apps|libs)\/)/, '/dist/$1/').replace(/\.ts$/, '.js')
    : moduleUrl;
